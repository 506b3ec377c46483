import type { TopologyScenario } from '../scenario.js'
import { addresses } from './addresses.js'
import { failures } from './failures.js'
import { handovers } from './handovers.js'
import { migrations } from './migrations.js'
import { paths } from './paths.js'
import { sentinelFaults } from './sentinel.js'
import { waiting } from './waiting.js'

export const topologyScenarios: readonly TopologyScenario[] = [
  ...failures,
  ...handovers,
  ...migrations,
  ...addresses,
  ...paths,
  ...waiting,
  ...sentinelFaults,
].sort((a, b) => a.number - b.number)
