// <session-counts member-id="42" src="/counts" events="/events" near="2">: the counts of a member for any page.
// postgrest and view instead of src read PostgREST's; active="open true" lists the statuses that can be booked on. The
// property source is for what attributes cannot say, as a token. Every string is text: Lit escapes it.
import { LitElement, css, html, nothing } from 'lit'
import { endpoint, postgrest, watch, type Figures, type SessionCounts, type Source, type State } from './counts'

export class SessionCountsElement extends LitElement {
  static properties = {
    memberId: { attribute: 'member-id' },
    src: {},
    postgrest: {},
    view: {},
    events: {},
    near: { type: Number },
    active: {},
    source: { attribute: false },
    state: { state: true },
  }

  static styles = css`
    :host { display: block; font: inherit; color: inherit; }
    dl { display: flex; flex-wrap: wrap; gap: 0.5rem 1.5rem; margin: 0; }
    dt { font-size: 0.85em; }
    dd { margin: 0; font-size: 1.5em; font-variant-numeric: tabular-nums; }
    p, ul { margin: 0.5rem 0 0; }
    ul { padding-left: 1.25rem; }
    .near { font-weight: 600; }
  `

  declare memberId: string
  declare src?: string
  declare postgrest?: string
  declare view?: string
  declare events?: string
  declare near: number
  declare active?: string
  declare source?: Source
  declare state: State
  #stop?: () => void

  constructor() {
    super()
    this.near = 2
    this.state = { kind: 'loading' }
  }

  #start() {
    this.#stop?.()
    const choices = { near: this.near, active: this.active?.split(/[\s,]+/) }
    this.#stop = watch(this.source ?? this.#sourceOfAttributes(), this.memberId, choices, state => (this.state = state))
  }

  #sourceOfAttributes() {
    return this.postgrest
      ? postgrest(this.postgrest, this.view ?? 'member_subscriptions_session_counts', undefined, this.events)
      : endpoint(this.src ?? '/counts', this.events)
  }

  connectedCallback() {
    super.connectedCallback()
    if (this.hasUpdated) this.#start()
  }

  disconnectedCallback() {
    super.disconnectedCallback()
    this.#stop?.()
    this.#stop = undefined
  }

  updated(changed: Map<string, unknown>) {
    if ([...changed.keys()].some(name => name !== 'state')) this.#start()
  }

  render() {
    const { state } = this
    if (state.kind === 'loading') return html`<p role="status">Loading…</p>`
    if (state.kind === 'error') return html`<p role="alert">${state.error.message}</p>`
    if (state.kind === 'none') return html`<p>No active subscription.</p>`
    return html`${this.#figures(state.figures)}
      ${state.kind === 'unlimited' ? html`<p>Unlimited.</p>` : nothing}
      ${state.kind === 'near'
        ? html`<p class="near" role="status">${leftSentence(state.figures.remaining ?? 0)}</p>`
        : nothing}
      ${state.packs.length > 1 ? html`<ul>${state.packs.map(pack => html`<li>${packSentence(pack)}</li>`)}</ul>` : nothing}`
  }

  #figures(figures: Figures) {
    const figure = (name: keyof Figures, label: string) =>
      html`<div><dt>${label}</dt><dd data-count=${name}>${figures[name] ?? '∞'}</dd></div>`
    return html`<dl>
      ${figures.carried > 0 ? figure('carried', 'before') : nothing} ${figure('completed', 'done')}
      ${figure('scheduled', 'scheduled')} ${figure('remaining', 'remaining')} ${figure('total', 'in all')}
    </dl>`
  }
}

export const leftSentence = (remaining: number) =>
  remaining <= 0 ? 'No credit is left.' : remaining === 1 ? 'The last credit.' : `Only ${remaining} credits are left.`

// One of several packs.
export const packSentence = ({ total, remaining, valid_until: end }: SessionCounts) =>
  `${total === null ? 'unlimited' : `${remaining} of ${total} left`}${end && end !== 'infinity' ? `, until ${end}` : ''}`

customElements.define('session-counts', SessionCountsElement)
