// The page "attach": two tables, the arguments, the plan. It changes nothing.
import { Failure, Statements, Table, get, html, useAnswer, useState } from './parts.js'

const groups = [
  ['The sessions', ['member_column', 'subscription_column', 'type_column', 'consuming_types', 'status_column',
    'scheduled_statuses', 'completed_statuses', 'start_column', 'counts_when', 'cost']],
  ['What pays for them', ['subscription_member_column', 'subscription_status_column', 'active_statuses', 'total_column',
    'used_column', 'remaining_column', 'carried_column', 'valid_from_column', 'valid_until_column', 'time_zone']],
  ['Which one pays', ['draw_order', 'pays_when', 'named_links', 'when_none']],
  ['Beside', ['guard', 'ledger', 'notify', 'link_check', 'make_view', 'counts_view']],
]
const choices = { guard: ['reject', 'ignore', 'off'], when_none: ['refuse', 'leave'] }
const hints = {
  member_column: 'empty: the application itself names what a session takes',
  subscription_column: 'the link; added where it is missing',
  type_column: 'empty: every session consumes',
  status_column: 'empty: every session counts',
  counts_when: 'a condition: deleted_at IS NULL',
  cost: 'credits of a session: (minutes + 29) / 30',
  subscription_status_column: 'empty: each is active',
  total_column: 'empty: counted, never refused',
  used_column: 'the counter; added where it is missing',
  carried_column: 'credits of sessions that are not in the table',
  time_zone: 'needed where one side has a zone and the other has none',
  draw_order: 'several at once, drawn in this order: valid_until NULLS LAST, id',
  pays_when: 'subscription.kind = session.kind',
  named_links: 'off: what the application writes into the link is ignored',
  when_none: 'what happens to a session that nothing can pay for',
  notify: 'screens hear of each change',
  ledger: 'a line for each credit',
  counts_view: 'its name, if not the usual one',
}
// Arguments of the subscriptions are filled from their columns.
const side = name => groups[1][1].includes(name) ? 'subscriptions' : 'sessions'

function Input({ argument, value, columns, say }) {
  const { name, type } = argument
  const described = hints[name] ? `hint-${name}` : undefined
  if (type === 'boolean') return html`<input type="checkbox" checked=${value === 'true'} aria-describedby=${described}
    onChange=${event => say(String(event.target.checked))} />`
  if (choices[name]) return html`<select value=${value} aria-describedby=${described}
    onChange=${event => say(event.target.value)}>${choices[name].map(choice =>
    html`<option value=${choice} selected=${choice === value}>${choice}</option>`)}</select>`
  return html`<input value=${value ?? ''} aria-describedby=${described} spellcheck=${false}
    list=${type === 'name' && name !== 'counts_view' ? `columns-${side(name)}` : undefined}
    onInput=${event => say(event.target.value)} />`
}

// What a column holds, beside the list of the values that mean something.
function found(name, mapping, columns) {
  const of = { consuming_types: 'type_column', scheduled_statuses: 'status_column', completed_statuses: 'status_column',
    active_statuses: 'subscription_status_column' }[name]
  const values = columns[side(name)].find(column => of && column.name === mapping[of])?.values ?? []
  return values.length > 0 ? `there are: ${values.join(', ')}` : hints[name]
}

function Arguments({ of, mapping, columns, say }) {
  return groups.map(([heading, names]) => html`<fieldset key=${heading}><legend>${heading}</legend>
    ${of.filter(argument => names.includes(argument.name)).sort((a, b) => names.indexOf(a.name) - names.indexOf(b.name))
    .map(argument => html`<div class="field" key=${argument.name}><label>${argument.name}
      <${Input} argument=${argument} value=${mapping[argument.name]} columns=${columns}
        say=${value => say(argument.name, value)} /></label>
      ${found(argument.name, mapping, columns) && html`<span class="soft" id=${`hint-${argument.name}`}>${
        found(argument.name, mapping, columns)}</span>`}</div>`)}
  </fieldset>`)
}

function Mapping({ chosen }) {
  const { answer, error } = useAnswer('guess', chosen)
  const [said, setSaid] = useState({})
  const [plan, setPlan] = useState({})
  if (!answer) return html`<${Failure} error=${error} />`
  const mapping = { ...answer.mapping, ...said }
  const show = event => {
    event.preventDefault()
    const given = Object.fromEntries(Object.entries(mapping).map(([name, value]) => [name, value ?? '']))
    get('plan', { ...chosen, ...given }).then(answer => setPlan({ answer }), error => setPlan({ error }))
  }
  return html`<h2>Arguments</h2>
    <p class="soft">${answer.attached ? 'These tables are attached: what the fields say is how. A change is a step of the plan.' :
      'Guessed from names and types; leave a field empty where there is no such column.'}</p>
    <form onSubmit=${show}>
      <${Arguments} of=${answer.arguments} mapping=${mapping} columns=${answer.columns}
        say=${(name, value) => setSaid({ ...said, [name]: value })} />
      ${Object.entries(answer.columns).map(([name, columns]) => html`<datalist id=${`columns-${name}`}>${columns.map(column =>
        html`<option value=${column.name} />`)}</datalist>`)}
      <button>Show the plan</button></form>
    <${Failure} error=${plan.error} />
    ${plan.answer && html`<${Plan} of=${plan.answer} />`}`
}

function Plan({ of }) {
  const refused = of.steps.some(step => step.step === null)
  const file = `-- ${of.steps.map(step => `${step.action}: ${step.command}`).join('\n').replaceAll('\n', '\n-- ')}\n${of.call}\n`
  return html`<h2>What an audit finds now</h2>
    <${Table} name="audit" rows=${of.audit} empty="Nothing is wrong in these tables."
      columns=${[['severity', row => row.severity], ['what', row => row.code], ['rows', row => row.affected ?? '', 'number'],
        ['meaning', row => row.description], ['advice', row => row.recommendation]]} />
    <h2>${refused ? 'What stands in the way' : 'The steps, with their locks'}</h2>
    <${Table} name="steps" rows=${of.steps} empty="None: these tables are attached like that."
      columns=${[['step', row => row.step ?? '–', 'number'], ['what', row => row.action], ['lock', row => row.step === null ? '' : row.lock],
        ['command', row => html`<code>${row.command}</code>`]]} />
    ${!refused && of.steps.length > 0 && html`<h2>As a migration file</h2>
      <textarea readonly aria-label="migration file" value=${file} />
      <button onClick=${() => navigator.clipboard.writeText(file)}>Copy</button>`}
    <${Statements} of=${of} />`
}

export function Attach() {
  const { answer, error } = useAnswer('tables', {})
  const [chosen, setChosen] = useState({ sessions: '', subscriptions: '' })
  const choose = name => html`<label>table of the ${name}
    <select value=${chosen[name]} onChange=${event => setChosen({ ...chosen, [name]: event.target.value })}>
      <option value="">choose</option>${answer?.tables.map(table => html`<option value=${table.id}>${table.name}</option>`)}
    </select></label>`
  return html`<h1>Attach</h1><${Failure} error=${error} />
    <p>Choose the table of the bookings and the table of what pays for them. Nothing is changed here: the page shows what
      ${' '}<code>attach</code> would do, for a migration file.</p>
    <form>${choose('sessions')}${choose('subscriptions')}</form>
    ${answer?.tables.length < 2 && html`<p>There are no two tables here that your role may read.</p>`}
    ${chosen.sessions && chosen.subscriptions && html`<${Mapping} key=${JSON.stringify(chosen)} chosen=${chosen} />`}
    <${Statements} of=${answer} />`
}
