/** Where the private Redis server of one measurement listens. */
export interface Target {
  readonly host: string
  readonly port: number
  /** Process id of the server, for workloads that stop it. */
  readonly pid: number
  readonly tls?: { readonly port: number; readonly ca: string }
}

/** One measurement, to be made by a fresh process. */
export interface Job {
  readonly workload: string
  /** Kind and connections: `ioredis-auto`, `node-redis-pool@160`. */
  readonly client: string
  readonly warmUpMs: number
  readonly windowMs: number
  readonly target: Target
}

export interface Percentiles {
  readonly p50: number
  readonly p95: number
  readonly p99: number
}

/** What one process found out. Figures that a workload does not have are left out. */
export interface Measurement {
  /** Settled and verified operations per second of the window: commands, or whole batches, leases, requests. */
  readonly perSecond?: number
  /** CPU time of the measured process per operation, µs, all its threads included. */
  readonly cpuUs?: number
  /** CPU time of the Redis server per operation, µs. */
  readonly serverCpuUs?: number
  /** From the call to the settled promise, ms. */
  readonly latencyMs?: Percentiles
  /** Connections the server counted, those of the harness left out. */
  readonly connections?: number
  /** Further figures by name: bytes of memory, the mixed workload's latencies. */
  readonly extra?: Readonly<Record<string, number>>
}

/** What a measuring process reports. */
export type Outcome =
  | { readonly ok: true; readonly measurement: Measurement }
  | { readonly ok: false; readonly error: string }
