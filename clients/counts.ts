// The row of the counts view, and where it comes from: PostgREST or an HTTP endpoint of the application's own. No
// framework; react.ts and session-counts.ts stand on it.

// As the view has it. With node-postgres a bigint arrives as text, so numbers are read by Number().
export interface SessionCounts {
  subscription_id: string | number
  member_id?: string | number // not where the application gives the links
  status: string | boolean | null
  total: number | null // null: unlimited
  completed: number
  scheduled: number
  remaining: number | null // null: unlimited
  used: number
  is_consistent: boolean | null // null: row-level security may hide sessions from the reader
  // Only where the attachment has such columns:
  carried?: number
  valid_from?: string | null
  valid_until?: string | null
  forfeited?: number | null
}

// What the packs of a member that can be booked on have together. carried + completed + scheduled + remaining = total.
export type Figures = Required<Pick<SessionCounts, 'total' | 'carried' | 'completed' | 'scheduled' | 'remaining'>>

export type State =
  | { kind: 'loading' }
  | { kind: 'error'; error: Error }
  | { kind: 'none'; rows: SessionCounts[] } // no active subscription
  // packs: those of the rows that can be booked on, what ends first before the others
  | { kind: 'unlimited' | 'near' | 'enough'; figures: Figures; packs: SessionCounts[]; rows: SessionCounts[] }

export interface Source {
  read(memberId: string): Promise<SessionCounts[]>
  // Calls back when counts may have changed; returns what ends that.
  follow?(changed: () => void): () => void
}

export interface Choices {
  near?: number // so many credits left, or fewer, are near the limit
  active?: string[] // the statuses of a subscription that may be booked on; a boolean status is 'true' or 'false'
}

export async function readJson(url: string, headers: Record<string, string> = {}): Promise<SessionCounts[]> {
  const response = await fetch(url, { headers: { accept: 'application/json', ...headers } })
  if (response.ok) return response.json()
  const { message } = await response.json().catch(() => ({ message: undefined }))
  throw new Error(message ?? `${response.status} ${response.statusText}`)
}

// Server-sent events: any message means that counts may have changed. So does a connection that is there again. Browsers
// allow few connections, so all of a page share one.
const streams = new Map<string, { events: EventSource; listeners: Set<() => void> }>()

function followEvents(url: string) {
  return (changed: () => void) => {
    let stream = streams.get(url)
    if (!stream) {
      const listeners = new Set<() => void>()
      const events = new EventSource(url)
      events.onmessage = events.onopen = () => listeners.forEach(listener => listener())
      stream = { events, listeners }
      streams.set(url, stream)
    }
    const { events, listeners } = stream
    listeners.add(changed)
    return () => {
      listeners.delete(changed)
      if (listeners.size > 0) return
      events.close()
      streams.delete(url)
    }
  }
}

// GET url?member_id=… returns the member's rows of the view as JSON.
export function endpoint(url: string, events?: string): Source {
  const separator = url.includes('?') ? '&' : '?'
  return {
    read: memberId => readJson(`${url}${separator}member_id=${encodeURIComponent(memberId)}`),
    follow: events ? followEvents(events) : undefined,
  }
}

// PostgREST: the view under its base URL. headers: the token, Accept-Profile for another schema.
export function postgrest(base: string, view: string, headers?: () => Record<string, string>, events?: string): Source {
  return {
    read: memberId =>
      readJson(`${base}/${encodeURIComponent(view)}?member_id=eq.${encodeURIComponent(memberId)}`, headers?.()),
    follow: events ? followEvents(events) : undefined,
  }
}

const sum = (values: (number | null | undefined)[]) =>
  values.some(value => value === null) ? null : values.reduce<number>((all, value) => all + Number(value ?? 0), 0)

// Its period is over. The view says so of credits that are left (null: of an unlimited pack); where none is left, nobody
// can lose any, and the clock here is good enough.
function isOver({ forfeited, remaining, valid_until: end }: SessionCounts) {
  if (end === null || end === undefined || forfeited === undefined) return false
  if (forfeited === null || Number(forfeited) > 0) return true
  const day = /^\d{4}-\d\d-\d\d$/.test(end) ? 864e5 : 0
  return remaining !== null && Number(remaining) <= 0 && Date.parse(end) + day <= Date.now()
}

const endOf = ({ valid_until: end }: SessionCounts) => (end ? Date.parse(end) || Infinity : Infinity)
const byEnd = (a: SessionCounts, b: SessionCounts) => (endOf(a) === endOf(b) ? 0 : endOf(a) - endOf(b))

// What to show for the member's rows.
export function stateOf(rows: SessionCounts[], { near = 2, active = ['active', 'true'] }: Choices = {}): State {
  const packs = rows.filter(row => (row.status === null || active.includes(String(row.status))) && !isOver(row)).sort(byEnd)
  if (packs.length === 0) return { kind: 'none', rows }
  const figures = {
    total: sum(packs.map(row => row.total)),
    carried: sum(packs.map(row => row.carried)) ?? 0,
    completed: sum(packs.map(row => row.completed)) ?? 0,
    scheduled: sum(packs.map(row => row.scheduled)) ?? 0,
    remaining: sum(packs.map(row => row.remaining)),
  }
  const kind = figures.remaining === null ? 'unlimited' : figures.remaining <= near ? 'near' : 'enough'
  return { kind, figures, packs, rows }
}

// Keeps a state up to date until it is told to stop. An answer that a later question has overtaken is dropped.
export function watch(source: Source, memberId: string, choices: Choices, show: (state: State) => void): () => void {
  let asked = 0
  let stopped = false
  const read = async () => {
    const question = ++asked
    const state = await source.read(memberId).then(
      rows => stateOf(rows, choices),
      (error: Error): State => ({ kind: 'error', error }),
    )
    if (question === asked && !stopped) show(state)
  }
  show({ kind: 'loading' })
  void read()
  const unfollow = source.follow?.(read)
  return () => {
    stopped = true
    unfollow?.()
  }
}
