import type { Job, Measurement } from '../job.js'

/** What is measured; `id` is its name on the command line and in the results. */
export interface Workload {
  readonly id: string
  readonly title: string
  /** What one operation is: `commands`, `pipelines of 100`. */
  readonly unit: string
  /** Whether the server must also listen with TLS. */
  readonly tls?: boolean
  /** Node flags of the measuring process. */
  readonly nodeFlags?: readonly string[]
  /** Factor on warm-up and window, for what needs longer to say something. */
  readonly longer?: number
  measure(job: Job): Promise<Measurement>
}
