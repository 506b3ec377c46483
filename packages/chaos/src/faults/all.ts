import type { Scenario } from '../scenario.js'
import { accessFaults } from './access.js'
import { applicationFaults } from './application.js'
import { pathFaults } from './path.js'
import { processFaults } from './process.js'
import { serverFaults } from './server.js'

export const scenarios: readonly Scenario[] = [
  ...serverFaults,
  ...accessFaults,
  ...pathFaults,
  ...processFaults,
  ...applicationFaults,
]
