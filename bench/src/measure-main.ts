import type { Job, Outcome } from './job.js'
import { findWorkload } from './workloads/index.js'

/** One measurement in this process alone: the job is the argument, the outcome a message to the parent. */
const job = JSON.parse(process.argv[2] ?? '') as Job

process.on('disconnect', () => process.exit(1))

let outcome: Outcome
try {
  outcome = { ok: true, measurement: await findWorkload(job.workload).measure(job) }
} catch (error) {
  outcome = { ok: false, error: error instanceof Error ? `${error.name}: ${error.message}` : String(error) }
}
// Clients may hold timers and sockets that nothing closes; what they measured is said, so this ends.
process.send?.(outcome, () => process.exit(0))
