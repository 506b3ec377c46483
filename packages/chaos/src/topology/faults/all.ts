import type { TopologyScenario } from '../scenario.js'
import type { ScriptedScenario } from '../scripted.js'
import { addresses } from './addresses.js'
import { failures } from './failures.js'
import { handovers } from './handovers.js'
import { liars } from './liars.js'
import { migrations } from './migrations.js'
import { paths } from './paths.js'
import { sentinelFaults } from './sentinel.js'
import { waiting } from './waiting.js'

export type TopologyFault = TopologyScenario | ScriptedScenario

export const topologyScenarios: readonly TopologyFault[] = [
  ...failures,
  ...handovers,
  ...migrations,
  ...addresses,
  ...paths,
  ...waiting,
  ...liars,
  ...sentinelFaults,
].sort((a, b) => a.number - b.number)
