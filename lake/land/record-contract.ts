import type { NestedField } from '../../iceberg/spec/type.js'
import type { ContractMode } from '../../schemas/pipeline.js'
import { checkDocument, refuseUndeclared } from './check-document.js'
import { documentNodes } from './document-nodes.js'
import { DocumentProblem, undeclaredPath } from './document-problem.js'
import { eventTimeOf } from './event-time.js'
import { parseDocument } from './parse-document.js'
import { recordId, sha256Hex } from './record-id.js'
import { DocumentScanner } from './scan-document.js'

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

/** The same of a document whose text is written already, up to `end`. */
export interface QuickRecord {
  readonly recordId: string
  readonly end: number
  readonly eventTimeMs: number | undefined
}

/** Of the undeclared members that are named. */
export const MAX_UNDECLARED = 20

/** Reads records by the contract of their source. */
export class RecordContract {
  /** The first violation stops the landing. */
  readonly isFrozen: boolean
  private readonly evolves: boolean
  private readonly undeclared = new Set<string>()
  private readonly eventTime: readonly string[] | undefined
  private readonly scanner: DocumentScanner | undefined

  constructor(private readonly task: ContractTask) {
    const { fields, identity, contract = 'evolve', eventTime } = task
    this.isFrozen = contract === 'freeze'
    this.evolves = contract === 'evolve'
    this.eventTime = eventTime?.split('.')
    const nodes = documentNodes(fields, { identity, eventTime, evolves: this.evolves })
    this.scanner = nodes && new DocumentScanner(nodes, identity.length)
  }

  /**
   * Reads the document between `from` and `end`, and writes its text as that of a JSON string to `out` from `to` on, where
   * it has room and eight bytes to spare; undefined where only `read` can tell.
   */
  readQuickly(
    bytes: Uint8Array,
    from: number,
    end: number,
    out: Uint8Array,
    to: number,
  ): QuickRecord | undefined {
    const { scanner } = this
    if (scanner === undefined || end - from > this.task.maxDocumentBytes) return undefined
    const written = scanner.scan(bytes, from, end, out, to)
    if (written < 0) return undefined
    const identity = scanner.identityText()
    if (identity === undefined) return undefined
    this.noteUndeclared(scanner.undeclared)
    return { recordId: sha256Hex(identity), end: written, eventTimeMs: scanner.eventTimeMs }
  }

  /** Throws DocumentProblem. */
  read(document: Uint8Array): ContractedRecord {
    const { fields, identity, maxDocumentBytes } = this.task
    if (document.length > maxDocumentBytes) {
      throw new DocumentProblem(
        'too-large',
        `${document.length} bytes; maxDocumentBytes is ${maxDocumentBytes}`,
      )
    }
    const { text, value } = parseDocument(document)
    const met: string[] = []
    checkDocument(fields, value, this.evolves ? (path) => met.push(undeclaredPath(path)) : refuseUndeclared)
    const eventTimeMs = this.eventTime === undefined ? undefined : eventTimeOf(value, this.eventTime)
    const id = recordId(identity, value)
    this.noteUndeclared(met)
    return { recordId: id, text, eventTimeMs }
  }

  /** Paths of undeclared members of the records that were read since it was last asked, the first 20 by name. */
  takeUndeclared(): readonly string[] {
    const paths = [...this.undeclared].sort()
    this.undeclared.clear()
    return paths
  }

  private noteUndeclared(paths: readonly string[]): void {
    for (const path of paths) if (this.undeclared.size < MAX_UNDECLARED) this.undeclared.add(path)
  }
}
