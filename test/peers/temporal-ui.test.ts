import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { BackfillStatus } from '../../schemas/backfill-messages.js'
import {
  nightOf,
  startTestServer,
  withFakeLake,
  type FakeActivities,
  type TestServer,
} from '../workflows/support/fake-lake.js'
import { patient } from '../workflows/support/run-workflows.js'
import { findBrowser, openBrowser } from './browser.js'

/**
 * A person with nothing but Temporal's UI: the JSON object is typed into its form, in a real browser, and so are the signals.
 */
const program = findBrowser()
if (program === undefined)
  console.warn(
    'skipped: there is no Chromium here (CHROMIUM_PATH, chromium, chromium-browser, google-chrome)',
  )

const ID = 'backfill-quantum-2026-07-01-2026-07-03'
const INPUT = '{"pipeline": "quantum", "from": "2026-07-01", "to": "2026-07-03"}'

describe.skipIf(program === undefined)("Temporal's UI", () => {
  let test: TestServer
  let browser: Browser
  beforeAll(async () => {
    test = await startTestServer()
    browser = await openBrowser(program!)
  })
  afterAll(async () => {
    await browser.close()
    await test.close()
  })

  it('starts a backfill from one JSON object, shows how far it is, pauses and resumes it', async () => {
    const second = held()
    const lake: FakeActivities = {
      planBuild: async ({ pipeline, batch }) => {
        if (batch === nightOf('2026-07-02')) await second.released
        return { kind: 'nothing-new', pipeline, batch, inputTo: 0 }
      },
    }
    await withFakeLake(test.connection, lake, async () => {
      const page = await browser.newPage()
      const workflows = `${test.server.uiUrl}/namespaces/default/workflows`
      await page.goto(`${workflows}/start-workflow`)
      await page.locator('#workflowId').fill(ID)
      await page.locator('#taskQueue').fill('firn-control')
      await page.locator('#workflowType').fill('backfill')
      await page.locator('.cm-content[contenteditable=true]').first().click()
      await page.keyboard.insertText(INPUT)
      // The editor lays the JSON out once it is left. The page moves then, so the button is pressed by the keyboard.
      await page.locator('#workflowId').focus()
      await page.getByText('"pipeline": "quantum",', { exact: true }).waitFor()
      await page.getByTestId('start-workflow-button').press('Enter')

      const handle = test.client.workflow.getHandle(ID)
      const counts = async () => (await handle.query<BackfillStatus>('status')).counts
      await expect.poll(() => counts().catch(String), patient).toMatchObject({ no_changes: 1, running: 1 })
      await openMetadata(page, `${workflows}/${ID}`)
      const details = page.locator('iframe').first().contentFrame()
      for (const text of ['2026-07-01 to 2026-07-03', 'nothing new', 'nightly-quantum-2026-07-02'])
        await details.getByText(text).first().waitFor()

      const status = async () => (await handle.query<BackfillStatus>('status')).status
      await signal(page, 'pause')
      await expect.poll(status, patient).toBe('paused')
      second.release()
      await expect.poll(counts, patient).toMatchObject({ no_changes: 2, running: 0, waiting: 1 })
      await signal(page, 'resume')
      expect(await handle.result()).toMatchObject({ status: 'no_changes', counts: { no_changes: 3 } })
      await page.goto(`${workflows}/${ID}`)
      await page.getByText('Completed').filter({ visible: true }).first().waitFor()
    })
  })
})

/** Where the UI shows the details that a workflow sets while it runs. */
async function openMetadata(page: Page, workflow: string): Promise<void> {
  await page.goto(workflow)
  await page.waitForURL(/\/history$/)
  await page.goto(page.url().replace(/history$/, 'user-metadata'))
}

/** The dialogue offers the signals that the workflow says it has; these take no argument. */
async function signal(page: Page, name: string): Promise<void> {
  const visible = { visible: true } as const
  await page.getByRole('button', { name: 'More Actions' }).filter(visible).first().click()
  await page.getByText('Send a Signal').filter(visible).first().click()
  await page.locator('#signal-select').filter(visible).locator('xpath=..').click()
  await page.getByRole('option', { name }).filter(visible).click()
  await page.getByRole('button', { name: 'Submit' }).filter(visible).click()
}

function held(): { readonly released: Promise<void>; release(): void } {
  let release = (): void => undefined
  const released = new Promise<void>((resolve) => (release = resolve))
  return { released, release }
}
