// A member in each state, by the web component and by the React hook, each over HTTP and over PostgREST.
import { createRoot } from 'react-dom/client'
import { endpoint, postgrest, setSource, useSessionCounts } from '../../clients/react'
import { SessionCountsElement, leftSentence, packSentence } from '../../clients/session-counts'

const rest = postgrest('/rest', 'packs counts', () => ({ authorization: 'Bearer token' }))
setSource(endpoint('/counts?of=gym'))

function Hook({ member, source }: { member: string; source?: typeof rest }) {
  const state = useSessionCounts(member, { near: 3, active: ['active', 'true', 'open'], source })
  switch (state.kind) {
    case 'loading': return <p role="status">Loading…</p>
    case 'error': return <p role="alert">{state.error.message}</p>
    case 'none': return <p>No active subscription.</p>
    default: return <div>
      <dl>{Object.entries(state.figures).map(([name, value]) => <div key={name}><dt>{name}</dt><dd data-count={name}>{value ?? '∞'}</dd></div>)}</dl>
      <p>{state.kind === 'unlimited' ? 'Unlimited.' : state.kind === 'near' ? leftSentence(state.figures.remaining ?? 0) : ''}</p>
      {state.packs.length > 1 && <ul>{state.packs.map(pack => <li key={pack.subscription_id}>{packSentence(pack)}</li>)}</ul>}
    </div>
  }
}

function Element({ member, source }: { member: string; source?: typeof rest }) {
  const place = (section: HTMLElement | null) => {
    if (!section || section.firstChild) return
    const element = new SessionCountsElement()
    Object.assign(element, source ? { source } : { src: '/counts?of=gym' })
    for (const [name, value] of Object.entries({ 'member-id': member, near: '3', active: 'active true open' }))
      element.setAttribute(name, value)
    section.append(element)
  }
  return <div ref={place} />
}

const member = new URLSearchParams(location.search).get('member') ?? ''
createRoot(document.getElementById('app')!).render(<>
  <h1>{member}</h1>
  <section id="hook-http"><Hook member={member} /></section>
  <section id="hook-rest"><Hook member={member} source={rest} /></section>
  <section id="element-http"><Element member={member} /></section>
  <section id="element-rest"><Element member={member} source={rest} /></section>
</>)
