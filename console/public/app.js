// The page: which of the pages is shown, and who looks at it.
import { render } from './htm.js'
import { follow, get, html, useEffect, useState } from './parts.js'
import { Attach } from './attach.js'
import { Checks, Credit, Findings, Member, Today, link } from './pages.js'

const pages = { today: ['Today', Today], member: ['Member', Member], credit: ['Credit', Credit],
  findings: ['Findings', Findings], attach: ['Attach', Attach], checks: ['Checks', Checks] }

const place = () => {
  const [page, query] = location.hash.slice(1).split('?')
  return { page: pages[page] ? page : 'today', query: Object.fromEntries(new URLSearchParams(query)) }
}

function App() {
  const [{ page, query }, setPlace] = useState(place())
  const [who, setWho] = useState('')
  useEffect(() => {
    const move = () => {
      setPlace(place())
      document.querySelector('main')?.focus()
    }
    addEventListener('hashchange', move)
    const ask = () => get('today').then(({ login, role }) => setWho(login === role ? login : `${login} as ${role}`), () => {})
    void ask()
    return follow(({ channel }) => channel === 'back' && ask())
  }, [])
  const [title, Page] = pages[page]
  useEffect(() => { document.title = `${title} – session_consistency` }, [title])
  return html`<a class="skip" href="#main" onClick=${event => { event.preventDefault(); document.querySelector('main').focus() }}>To the content</a>
    <header><strong>session_consistency</strong>
      <nav aria-label="pages">${Object.entries(pages).map(([name, [title]]) => html`<a key=${name} href=${link(name)}
        aria-current=${name === page ? 'page' : undefined}>${title}</a>`)}</nav>
      <span class="soft">${who}</span></header>
    <main id="main" tabindex="-1"><${Page} key=${location.hash} query=${query} /></main>`
}

render(html`<${App} />`, document.getElementById('app'))
