import type { NestedField } from '../../iceberg/spec/type.js'
import type { ContractMode } from '../../schemas/pipeline.js'
import { checkDocument, refuseUndeclared } from './check-document.js'
import type { DocumentPath } from './document-problem.js'
import { ANY_ITEM, DocumentProblem, formatPath } from './document-problem.js'
import { eventTimeOf } from './event-time.js'
import { parseDocument } from './parse-document.js'
import { recordId } from './record-id.js'

/** What a source declares about its records. */
export interface ContractTask {
  readonly fields: readonly NestedField[]
  readonly identity: readonly string[]
  /** Default `evolve`. */
  readonly contract?: ContractMode
  readonly eventTime?: string
  readonly maxDocumentBytes: number
}

export interface ContractedRecord {
  readonly recordId: string
  /** The document verbatim but for a byte order mark. */
  readonly text: string
  /** Absent where the source has no event time, or the document none that can be read. ms since 1970. */
  readonly eventTimeMs: number | undefined
}

const MAX_UNDECLARED = 20

/** Reads records by the contract of their source. */
export class RecordContract {
  /** The first violation stops the landing. */
  readonly isFrozen: boolean
  private readonly undeclared = new Set<string>()
  private readonly eventTime: readonly string[] | undefined

  constructor(private readonly task: ContractTask) {
    this.isFrozen = task.contract === 'freeze'
    this.eventTime = task.eventTime?.split('.')
  }

  /** Throws DocumentProblem. */
  read(document: Uint8Array): ContractedRecord {
    const { fields, identity, contract = 'evolve', maxDocumentBytes } = this.task
    if (document.length > maxDocumentBytes) {
      throw new DocumentProblem(
        'too-large',
        `${document.length} bytes; maxDocumentBytes is ${maxDocumentBytes}`,
      )
    }
    const { text, value } = parseDocument(document)
    checkDocument(fields, value, contract === 'evolve' ? this.noteUndeclared : refuseUndeclared)
    const eventTimeMs = this.eventTime === undefined ? undefined : eventTimeOf(value, this.eventTime)
    return { recordId: recordId(identity, value), text, eventTimeMs }
  }

  /** Paths of undeclared members met since it was last asked, the first 20. */
  takeUndeclared(): readonly string[] {
    const paths = [...this.undeclared]
    this.undeclared.clear()
    return paths
  }

  private readonly noteUndeclared = (path: DocumentPath): void => {
    if (this.undeclared.size >= MAX_UNDECLARED) return
    this.undeclared.add(formatPath(path.map((step) => (typeof step === 'number' ? ANY_ITEM : step))))
  }
}
