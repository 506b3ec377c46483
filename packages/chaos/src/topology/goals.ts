import { inOwnProcess } from './cli.js'
import { topologyScenarios } from './faults/all.js'
import type { TopologyResult } from './measure.js'

/** What is demanded of a fault's figures. */
interface Goal {
  readonly topology: 'cluster' | 'sentinel'
  readonly fault: string
  readonly text: string
  /** The figure that counts, and the most it may be. */
  figures(result: TopologyResult): readonly { readonly name: string; readonly value: number; readonly most: number }[]
}

const never = Number.POSITIVE_INFINITY
const errors = ({ errors: { touched, others } }: TopologyResult) => ({
  name: 'errors',
  value: touched + others,
  most: 0,
})
const served = (most: number) => (result: TopologyResult) => [
  { name: 'first success after the promotion, ms', value: result.times?.servedMs ?? never, most },
]
const byHand = (result: TopologyResult) => [
  errors(result),
  { name: 'acknowledged writes lost', value: result.lost.excused + result.lost.unexcused, most: 0 },
  { name: 'longest wait, ms', value: result.times?.longestWaitMs ?? never, most: 250 },
]

const goals: readonly Goal[] = [
  {
    topology: 'cluster',
    fault: 'primary-frozen',
    text: 'frozen primary, replica promoted: served within 1.5 s of the promotion',
    figures: served(1_500),
  },
  {
    topology: 'cluster',
    fault: 'primary-frozen-no-coverage',
    text: 'the same where no refusal hints at a change',
    figures: served(1_500),
  },
  {
    topology: 'cluster',
    fault: 'failover-by-hand',
    text: 'CLUSTER FAILOVER: no errors, no acknowledged write lost, longest wait 250 ms',
    figures: byHand,
  },
  {
    topology: 'cluster',
    fault: 'twenty-hot-slots',
    text: '20 hot slots migrated under pipelines and MULTI: no errors',
    figures: (result) => [errors(result)],
  },
  {
    topology: 'cluster',
    fault: 'thousand-slots-at-once',
    text: '1,000 slots moved at once: at most 5 refreshes of the map',
    figures: (result) => [{ name: 'refreshes', value: result.refreshes, most: 5 }],
  },
  {
    topology: 'sentinel',
    fault: 'primary-frozen',
    text: 'frozen primary, replica promoted: served within 1.5 s of the promotion',
    figures: served(1_500),
  },
  {
    topology: 'sentinel',
    fault: 'failover-by-hand',
    text: 'SENTINEL FAILOVER: no errors, no acknowledged write lost, longest wait 250 ms',
    figures: byHand,
  },
]

/** Several seeds each; the median counts, because the machine is never quite still. */
export async function measureTopologyGoals(
  topology: 'cluster' | 'sentinel',
  client: string,
  rounds: number,
  report: (text: string, holds: boolean, result: object) => void,
): Promise<void> {
  for (const goal of goals.filter((one) => one.topology === topology)) {
    const scenario = topologyScenarios.find((one) => one.topology === topology && one.name === goal.fault)!
    const results: TopologyResult[] = []
    let failure: string | undefined
    for (let seed = 1; seed <= rounds; seed++) {
      const result = await inOwnProcess(scenario, client, seed)
      if (typeof result === 'string') failure = result.split('\n')[0]
      else results.push(result)
    }
    const names = results.length === 0 ? [] : goal.figures(results[0]!)
    const figures = names.map(({ name, most }, i) => {
      const values = results.map((result) => goal.figures(result)[i]!.value).sort((a, b) => a - b)
      return { name, median: values[Math.floor((values.length - 1) / 2)]!, values, most }
    })
    const holds = failure === undefined && figures.every(({ median, most }) => median <= most)
    const shown = figures.map(({ name, median, values }) => [name, { median, all: values }])
    report(goal.text, holds, { client, ...Object.fromEntries(shown), ...(failure === undefined ? {} : { failure }) })
  }
}
