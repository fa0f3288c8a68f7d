// The six pages.
import { Action, Bar, Chart, Failure, Statements, Table, get, html, post, time, useAnswer, useEffect, useState } from './parts.js'

export const link = (page, query = {}) => `#${page}?${new URLSearchParams(query)}`

const Choice = ({ of, chosen, page, query = {} }) => of && of.length > 1 && html`<nav aria-label="attachment">
  ${of.map(one => html`<a href=${link(page, { ...query, attachment: one.id })}
    aria-current=${one.id === chosen ? 'true' : undefined}>${one.sessions} → ${one.subscriptions}</a>`)}</nav>`

function sentence({ enforced, gaps, findings, ledger, ledger_gaps: holes, last_check: checked, last_check_age: age }) {
  const wrong = []
  if (!enforced) wrong.push(...gaps)
  if (Number(findings ?? 0) > 0) wrong.push(`${findings} open ${Number(findings) === 1 ? 'finding' : 'findings'}.`)
  if (Number(holes ?? 0) > 0) wrong.push('The ledger is not whole.')
  if (!checked) wrong.push('It was never checked.')
  else if (age > 2 * 86400) wrong.push('The last check is older than two days.')
  return wrong.length > 0 ? [`warn`, wrong.join(' ')] :
    ['good', `Enforced, nothing is wrong${ledger ? ', and the ledger is whole' : ''}.`]
}

function Attached({ of }) {
  const [kind, words] = sentence(of)
  return html`<section class="card"><h2>${of.sessions} → ${of.subscriptions}</h2>
    <p class=${kind}>${words}</p>
    <dl>
      <div><dt>credits sold</dt><dd>${of.total ?? '–'}</dd></div><div><dt>booked${Number(of.unlimited_rows) > 0 ? ', unlimited ones too' : ''}</dt><dd>${of.used ?? '–'}</dd></div>
      <div><dt>left</dt><dd>${of.remaining ?? '–'}</dd></div>
      <div><dt>subscriptions</dt><dd>${of.subscription_rows ?? '–'}</dd></div>
      <div><dt>of them unlimited</dt><dd>${of.unlimited_rows ?? '–'}</dd></div>
    </dl>
    <p class="soft">Last check: ${of.last_check ? time(of.last_check) : 'never'}. Guard: ${of.guard}.
      ${of.ledger ? ' With a ledger.' : ' Without a ledger.'}
      ${of.notify ? ' Bookings show here at once.' : ' Bookings show when the page is loaded (attach with notify => true).'}</p>
    <p><a href=${link('member', { attachment: of.id })}>Look at a member</a></p>
  </section>`
}

const Progress = ({ of }) => html`<section class="card"><h2>migrate of ${of.sessions}: ${of.phase}</h2>
  <progress aria-label="rows done" max=${Number(of.rows_total ?? 1)} value=${of.rows_total ? Number(of.rows_done) : undefined} />
  <p>${of.rows_done} of ${of.rows_total ?? 'so far unknown'} rows. ${of.time_left && `About ${of.time_left} left.`}</p></section>`

export function Today() {
  const { answer, error } = useAnswer('today', {}, 2000)
  return html`<h1>Today</h1><${Failure} error=${error} />
    ${answer?.progress.map(of => html`<${Progress} of=${of} />`)}
    ${answer?.attachments.map(of => html`<${Attached} key=${of.id} of=${of} />`)}
    ${answer?.attachments.length === 0 && html`<p>Nothing is attached in this database.
      <a href=${link('attach')}>Attach two tables.</a></p>`}
    <${Statements} of=${answer} />`
}

export function Member({ query }) {
  return query.member === undefined ? html`<${Search} query=${query} />` : html`<${Packs} query=${query} />`
}

function Search({ query }) {
  const [text, setText] = useState('')
  const { answer, error } = useAnswer('members', { ...query, text })
  const attachment = answer?.attachment.id ?? ''
  const [all, setAll] = useState([])
  useEffect(() => void get('today').then(today => setAll(today.attachments), () => {}), [])
  return html`<h1>A member</h1><${Choice} of=${all} chosen=${attachment} page="member" /><${Failure} error=${error} />
    <form role="search" onSubmit=${event => event.preventDefault()}><label>Key, or the beginning of a name
      <input type="search" value=${text} onInput=${event => setText(event.target.value)} autofocus /></label></form>
    ${answer?.remark && html`<p class="warn">${answer.remark}</p>`}
    ${answer && html`<${Table} name="members" rows=${answer.members} empty="Nobody is found. Names are found by their beginning."
      columns=${[['member', row => html`<a href=${link('member', { attachment, member: row.key })}>${row.name ?? row.key}</a>`],
        ['key', row => row.key]]} />`}
    <${Statements} of=${answer} />`
}

function Pack({ pack, sessions, attachment }) {
  const behind = number => sessions.filter(session => session.counted === number)
  return html`<section class="card"><h2>Pack ${pack.subscription_id}${pack.status ? `, ${pack.status}` : ''}</h2>
    <${Bar} pack=${pack} />
    ${(pack.valid_from || pack.valid_until) && html`<p>From ${pack.valid_from ?? 'ever'} to ${pack.valid_until ?? 'ever'}.</p>`}
    <p class=${pack.standing.startsWith('It pays') ? 'good' : 'warn'}>${pack.standing}</p>
    ${pack.is_consistent === false && html`<p class="bad">Its counter and its sessions disagree: run a check.</p>`}
    ${['completed', 'scheduled', 'nothing'].map(number => behind(number).length > 0 && html`<details>
      <summary>${behind(number).length} ${number === 'nothing' ? 'that hold nothing' : number}</summary>
      <${Table} name=${`${number} sessions`} rows=${behind(number)} columns=${[['session', row => row.session],
        ['type', row => row.type ?? ''], ['status', row => row.status ?? ''], ['start', row => row.start ?? '']]} />
    </details>`)}
    <p>${attachment.ledger ? html`<a href=${link('credit', { attachment: attachment.id, subscription: pack.subscription_id })}>
      The life of its credits</a>` : html`<span class="soft">Without a ledger nobody knows the life of its credits.</span>`}</p>
  </section>`
}

function Packs({ query }) {
  const { answer, error } = useAnswer('member', query)
  return html`<h1>${answer?.name ?? `Member ${query.member}`}</h1>
    <p><a href=${link('member', { attachment: query.attachment })}>Another member</a></p><${Failure} error=${error} />
    ${answer?.packs.map(pack => html`<${Pack} key=${pack.subscription_id} pack=${pack} attachment=${answer.attachment}
      sessions=${answer.sessions.filter(session => session.subscription_id === pack.subscription_id)} />`)}
    ${answer?.packs.length === 0 && html`<p>No pack was ever sold to this member. Insert one into
      ${' '}<code>${answer.attachment.subscriptions}</code>, and bookings find it.</p>`}
    <${Statements} of=${answer} />`
}

export function Credit({ query }) {
  if (query.subscription === undefined)
    return html`<h1>A credit's life</h1><p>Choose a pack: <a href=${link('member', query)}>find its member</a>.</p>`
  const { answer, error } = useAnswer('credit', query)
  const lines = answer?.lines ?? []
  return html`<h1>The life of the credits of pack ${query.subscription}</h1><${Failure} error=${error} />
    ${lines.length > 0 && html`<${Chart} label="credits used after each line" series=${[{ name: 'used', color: '--link', stepped: true }]}
      points=${[lines.map(line => Date.parse(line.at) / 1000), lines.map(line => Number(line.balance))]} />`}
    ${answer && html`<${Table} name="ledger" rows=${lines} empty="No line so far: book a session."
      columns=${[['line', row => row.line, 'number'], ['when', row => time(row.at)], ['what', row => row.reason],
        ['credits', row => Number(row.delta) > 0 ? `+${row.delta}` : row.delta, 'number'],
        ['used then', row => row.balance, 'number'], ['session', row => row.session_id ?? ''],
        ['who', row => row.actor ? `${row.actor} (${row.role})` : row.role]]} />`}
    <${Statements} of=${answer} />`
}

function Preview({ attachment, changed }) {
  const [answer, setAnswer] = useState()
  const [error, setError] = useState()
  const show = () => get('preview', { attachment: attachment.id }).then(setAnswer, setError)
  return html`<section class="card"><h2>Repair ${attachment.sessions} → ${attachment.subscriptions}</h2>
    <p>Repairs what has one right answer: counters, and links of sessions that hold nothing.</p>
    <button onClick=${show}>Show what it would change</button><${Failure} error=${error} />
    ${answer && html`<${Table} name="changes" rows=${answer.changes} empty="Nothing: no finding has one right answer."
      columns=${[['what', row => row.action], ['pack', row => row.subscription_id ?? ''], ['session', row => row.session_id ?? ''],
        ['before', row => JSON.stringify(row.before)], ['after', row => JSON.stringify(row.after)]]} />
      ${answer.changes.length > 0 && html`<p>It runs:</p><pre tabindex="0">SELECT * FROM session_consistency.repair('${attachment.sessions}', '${attachment.subscriptions}', dry_run => false);</pre>
        <${Action} label="Repair" question=${`Yes, make ${answer.changes.length} changes`}
          run=${() => post('repair', { attachment: attachment.id })} done=${() => { setAnswer(undefined); changed() }} />`}`}
  </section>`
}

export function Findings() {
  const { answer, error, again } = useAnswer('findings', {})
  const repairers = answer?.attachments.filter(attachment => attachment.may_repair) ?? []
  return html`<h1>Findings</h1><${Failure} error=${error} />
    ${answer && html`<${Table} name="open findings" rows=${answer.findings}
      empty="No finding is open. A check on the page Checks looks again."
      columns=${[['severity', row => html`<span class=${['critical', 'high'].includes(row.severity) ? 'bad' : 'warn'}>${row.severity}</span>`],
        ['what', row => row.code], ['table', row => row.sessions ?? 'gone'], ['member', row => row.member_id ?? ''],
        ['pack', row => row.subscription_id ?? ''], ['session', row => row.session_id ?? ''],
        ['expected', row => row.expected ?? ''], ['actual', row => row.actual ?? ''], ['since', row => time(row.first_seen)]]} />
      ${repairers.map(attachment => html`<${Preview} key=${attachment.id} attachment=${attachment} changed=${again} />`)}
      ${repairers.length === 0 && html`<p class="soft">Your role owns none of the tables: it can look, not repair.</p>`}
      <h2>Repairs made</h2>
      <${Table} name="repairs" rows=${answer.repairs} empty="Nothing was ever repaired."
        columns=${[['repair', row => row.repair_id, 'number'], ['when', row => time(row.repaired_at)], ['who', row => row.repaired_by],
          ['what', row => row.action], ['pack', row => row.subscription_id ?? ''],
          ['undone', row => row.undone_at ? `${time(row.undone_at)} by ${row.undone_by}` : repairers.some(one => one.sessions === row.sessions)
            && html`<${Action} label="Undo" question="Yes, undo it" run=${() => post('undo', { repair: row.repair_id })} done=${again} />`]]} />`}
    <${Statements} of=${answer} />`
}

export function Checks() {
  const { answer, error, again } = useAnswer('checks', {})
  const runs = [...answer?.runs ?? []].reverse()
  return html`<h1>Checks</h1><${Failure} error=${error} />
    ${answer?.attachments.length > 0 && (answer.attachments.every(one => one.may_check) ?
      html`<p><${Action} label="Check all now" run=${() => post('check')} done=${again} /> It runs
        ${' '}<code>SELECT session_consistency.run_check();</code>, and no booking waits for it.</p>` :
      html`<p class="soft">Your role may not read every row, or this is a standby: it cannot check.</p>`)}
    ${runs.length > 1 && html`<${Chart} label="open findings after each check, and how long it took"
      series=${[{ name: 'open findings', color: '--bad' }, { name: 'seconds', color: '--link' }]}
      points=${[runs.map(run => Date.parse(run.started) / 1000), runs.map(run => Number(run.open_findings)), runs.map(run => run.seconds)]} />`}
    ${answer && html`<${Table} name="checks" rows=${answer.runs} empty="Nothing was checked so far: check now, or schedule_check()."
      columns=${[['run', row => row.run_id, 'number'], ['when', row => time(row.started)], ['who', row => row.run_by],
        ['seconds', row => row.seconds.toFixed(2), 'number'], ['sessions', row => row.session_rows, 'number'],
        ['new', row => row.new_findings, 'number'], ['ended', row => row.ended_findings, 'number'],
        ['open', row => row.open_findings, 'number']]} />`}
    <${Statements} of=${answer} />`
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
  const side = name => name.startsWith('subscription_') && name !== 'subscription_column' || /^(total|used|remaining)/.test(name) ? 1 : 0
  return html`<h2>Columns</h2>
    <p class="soft">Guessed by their names; leave a field empty where there is no such column.</p>
    <form onSubmit=${show}>${Object.entries(mapping).map(([name, value]) => html`<label key=${name}>${name}
      <input value=${value ?? ''} list=${`columns-${side(name)}`}
        onInput=${event => setSaid({ ...said, [name]: event.target.value })} /></label>`)}
      ${['consuming_types', 'scheduled_statuses', 'completed_statuses', 'active_statuses'].map(name => said[name] === undefined && html`<label
        key=${name}>${name} (default)<input placeholder="{a,b}" onChange=${event => setSaid({ ...said, [name]: event.target.value })} /></label>`)}
      ${answer.columns.map((names, i) => html`<datalist id=${`columns-${i}`}>${names.map(name => html`<option value=${name} />`)}</datalist>`)}
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
    ${!refused && html`<h2>As a migration file</h2>
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
    ${chosen.sessions && chosen.subscriptions && html`<${Mapping} key=${JSON.stringify(chosen)} chosen=${chosen} />`}
    <${Statements} of=${answer} />`
}
