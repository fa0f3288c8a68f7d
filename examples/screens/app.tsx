// The three components of a gym that counted each in its own way, side by side: cards, a member's tab, his sessions. All
// of them, and the web component, show the one row of the counts view.
import { useEffect, useState, type FormEvent } from 'react'
import { createRoot } from 'react-dom/client'
import { endpoint, setSource, useSessionCounts, type Figures, type State } from '../../clients/react'
import { leftSentence } from '../../clients/session-counts'

const member = new URLSearchParams(location.search).get('member') ?? '1'
const source = endpoint('/counts', '/events')
setSource(source)

type Session = { id: number; session_type: string; status: string; day: string }
type Refusal = { message: string; detail?: string; hint?: string }

async function send(method: string, body: object): Promise<Refusal | undefined> {
  const response = await fetch(`/sessions?member_id=${encodeURIComponent(member)}`, {
    method, headers: { 'content-type': 'application/json' }, body: JSON.stringify(body),
  })
  return response.ok ? undefined : response.json()
}

function useSessions(): Session[] {
  const [sessions, setSessions] = useState<Session[]>([])
  useEffect(() => source.follow?.(() => void fetch(`/sessions?member_id=${encodeURIComponent(member)}`)
    .then(response => response.ok ? response.json().then(setSessions) : undefined, () => {})), [])
  return sessions
}

const Count = ({ figures, name }: { figures: Figures; name: keyof Figures }) =>
  <span data-count={name}>{figures[name] ?? '∞'}</span>

function Without({ state }: { state: State }) {
  if (state.kind === 'loading') return <p role="status">Loading…</p>
  if (state.kind === 'error') return <p role="alert">{state.error.message}</p>
  return <p>No active subscription.</p>
}

function StatsCards() {
  const state = useSessionCounts(member)
  if (!('figures' in state)) return <Without state={state} />
  return <dl className="cards">
    <div><dt>done</dt><dd><Count figures={state.figures} name="completed" /></dd></div>
    <div><dt>scheduled</dt><dd><Count figures={state.figures} name="scheduled" /></dd></div>
    <div><dt>remaining</dt><dd><Count figures={state.figures} name="remaining" /></dd></div>
    <div><dt>in all</dt><dd><Count figures={state.figures} name="total" /></dd></div>
  </dl>
}

function DetailTab() {
  const state = useSessionCounts(member)
  if (!('figures' in state)) return <Without state={state} />
  const { figures } = state
  return <>
    {figures.total !== null &&
      <progress aria-label="credits used" max={figures.total} value={figures.completed + figures.scheduled} />}
    <p>
      <Count figures={figures} name="completed" /> done, <Count figures={figures} name="scheduled" /> scheduled,{' '}
      <Count figures={figures} name="remaining" /> remaining, <Count figures={figures} name="total" /> in all
    </p>
    {state.kind === 'near' && <p className="near">{leftSentence(figures.remaining ?? 0)}</p>}
    {state.kind === 'unlimited' && <p>Unlimited.</p>}
  </>
}

function Row({ session, act }: { session: Session; act: (method: string, body: object) => void }) {
  const { id, session_type, status, day } = session
  const set = (to: string, label: string) =>
    <button onClick={() => act('PATCH', { id, status: to })} aria-label={`${label} session ${id}`}>{label}</button>
  return <tr>
    <td>{day}</td><td>{session_type}</td><td>{status}</td>
    <td>
      {status === 'scheduled' && set('completed', 'complete')}
      {status === 'cancelled' ? set('scheduled', 'un-cancel') : set('cancelled', 'cancel')}
      <button onClick={() => act('DELETE', { id })} aria-label={`delete session ${id}`}>delete</button>
    </td>
  </tr>
}

function SessionsTable({ act }: { act: (method: string, body: object) => void }) {
  const state = useSessionCounts(member)
  const sessions = useSessions()
  return <>
    {'figures' in state ?
      <p>
        <Count figures={state.figures} name="completed" />/<Count figures={state.figures} name="total" /> done,{' '}
        <Count figures={state.figures} name="scheduled" /> to come,{' '}
        <Count figures={state.figures} name="remaining" /> to book
      </p> : <Without state={state} />}
    <table>
      <thead><tr><th>day</th><th>type</th><th>status</th><th>actions</th></tr></thead>
      <tbody>{sessions.map(session => <Row key={session.id} session={session} act={act} />)}</tbody>
    </table>
  </>
}

function BookingForm({ act }: { act: (method: string, body: object) => void }) {
  const book = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault()
    const form = new FormData(event.currentTarget)
    act('POST', { type: form.get('type'), day: form.get('day') })
  }
  return <form onSubmit={book}>
    <label>type <select name="type">{['member', 'makeup', 'trial', 'guest'].map(type =>
      <option key={type}>{type}</option>)}</select></label>{' '}
    <label>day <input name="day" type="date" required defaultValue="2030-01-01" /></label>{' '}
    <button>book</button>
  </form>
}

function App() {
  const [refusal, setRefusal] = useState<Refusal>()
  const act = (method: string, body: object) => void send(method, body).then(setRefusal)
  return <>
    <h1>Sessions of member {member}</h1>
    <BookingForm act={act} />
    {refusal && <div role="alert" className="error">
      <strong>{refusal.message}</strong> <span>{refusal.detail}</span> <span>{refusal.hint}</span>
    </div>}
    <div className="side-by-side">
      <section data-component="cards"><h2>Cards</h2><StatsCards /></section>
      <section data-component="tab"><h2>Details</h2><DetailTab /></section>
      <section data-component="element"><h2>Web component</h2>
        <session-counts member-id={member} src="/counts" events="/events" near="2" />
      </section>
      <section data-component="table"><h2>Sessions</h2><SessionsTable act={act} /></section>
    </div>
  </>
}

declare module 'react' {
  namespace JSX {
    interface IntrinsicElements {
      'session-counts': { 'member-id': string; src?: string; events?: string; near?: string }
    }
  }
}

createRoot(document.getElementById('app')!).render(<App />)
