import { createHash } from 'node:crypto'
import { TABLES, type Order, type ShopTable } from './shop.js'

/** A batch that was published: which ledger rows it took, under which definition. */
export interface BuiltBatch {
  readonly batch: string
  readonly rowFrom: number
  readonly rowEnd: number
  readonly version: number
}

/** What the tables shall hold, by plain loops over what was landed and which batches were published. */
export class ShopModel {
  /** Orders by ledger row, one a file. */
  readonly rows: (readonly Order[])[] = []
  private built: readonly BuiltBatch[] = []
  /** What was built when a batch was published, that batch included. */
  private readonly states = new Map<string, readonly BuiltBatch[]>()
  /** Digests of all tables as they were when a batch was published, by its tag. */
  readonly tagged = new Map<string, Readonly<Record<ShopTable, string>>>()

  publish(batch: BuiltBatch, tag: string): void {
    this.built = [...this.built, batch]
    this.states.set(batch.batch, this.built)
    this.tagged.set(tag, this.digests())
  }

  /** Batches in the order of their publishing. */
  batches(): readonly BuiltBatch[] {
    return this.built
  }

  /** Later batches are as if they had never been, and so is what was rebuilt since. */
  rollBack(to: string): void {
    this.built = this.states.get(to) ?? []
  }

  /** A batch is computed again by another definition. */
  rebuild(batch: string, version: number, tag: string): void {
    this.built = this.built.map((one) => (one.batch === batch ? { ...one, version } : one))
    this.tagged.set(tag, this.digests())
  }

  digests(): Readonly<Record<ShopTable, string>> {
    const contents = this.contents()
    return Object.fromEntries(TABLES.map((table) => [table, digestOf(contents[table])])) as Record<
      ShopTable,
      string
    >
  }

  contents(): Readonly<Record<ShopTable, readonly string[]>> {
    const orders = new Map<string, Order & { readonly batch: string }>()
    const users = new Map<string, string>()
    for (const { batch, rowFrom, rowEnd, version } of this.built) {
      const records = firstOfEach(this.rows.slice(rowFrom, rowEnd).flat())
      const firsts = new Map<string, string>()
      for (const order of records) {
        if (!orders.has(order.id)) orders.set(order.id, { ...order, amount: order.amount * version, batch })
        const first = firsts.get(order.user)
        if (first === undefined || order.id < first) firsts.set(order.user, order.id)
      }
      for (const [user, first] of firsts) if (!users.has(user)) users.set(user, `${user}|${first}|${batch}`)
    }
    const days = new Map<string, { orders: number; amount: number }>()
    for (const { day, amount } of orders.values()) {
      const sum = days.get(day) ?? { orders: 0, amount: 0 }
      days.set(day, { orders: sum.orders + 1, amount: sum.amount + amount })
    }
    const all = [...orders.values()]
    return {
      orders: all.map(({ id, day, user, amount, batch }) => [id, day, user, amount, batch].join('|')).sort(),
      items: all
        .flatMap(({ items, id, batch }) => items.map((item, i) => [id, i + 1, item, batch].join('|')))
        .sort(),
      users: [...users.values()].sort(),
      days: [...days].map(([day, sum]) => [day, sum.orders, sum.amount].join('|')).sort(),
    }
  }
}

/** How many rows, and a digest of them. */
export function digestOf(rows: readonly string[]): string {
  return `${rows.length} ${createHash('md5').update(rows.join('\n')).digest('hex')}`
}

function firstOfEach(orders: readonly Order[]): readonly Order[] {
  const seen = new Map<string, Order>()
  for (const order of orders) if (!seen.has(order.id)) seen.set(order.id, order)
  return [...seen.values()]
}
