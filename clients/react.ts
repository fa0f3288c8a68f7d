// useSessionCounts(memberId): the counts of a member for a React component.
//
//   setSource(endpoint('/counts', '/events'))                       // once, where the application starts
//   const state = useSessionCounts(member.id)                       // in a component
import { useEffect, useState } from 'react'
import { watch, type Choices, type Source, type State } from './counts'

export * from './counts'

let defaultSource: Source | undefined

export function setSource(source: Source) {
  defaultSource = source
}

export function useSessionCounts(memberId: string | number, choices: Choices & { source?: Source } = {}): State {
  const [state, setState] = useState<State>({ kind: 'loading' })
  const { source = defaultSource, near, active } = choices
  const statuses = active?.join('\n')
  useEffect(() => {
    if (!source) throw new Error('useSessionCounts() has no source: call setSource() first')
    return watch(source, String(memberId), { near, active: statuses?.split('\n') }, setState)
  }, [memberId, source, near, statuses])
  return state
}
