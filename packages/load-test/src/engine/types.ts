import type { IntervalDump, RecorderDump } from '../measure/recorder.js'
import type { LoopFigures } from '../measure/self.js'
import type { Weights } from '../operations.js'

/**
 * closed: each user waits for the reply, thinks, and goes on; a slow server gets fewer requests.
 * open: requests start on a timetable, whatever the server does; latency counts from the timetable.
 */
export type LoadModel =
  | { readonly kind: 'closed'; readonly thinkTimeMs: number }
  | { readonly kind: 'open'; readonly rate: number }

/** One thread's share of a run; crosses threads, so plain data only. */
export interface EngineSettings {
  readonly origin: string
  readonly model: LoadModel
  readonly weights: Weights
  readonly firstUser: number
  readonly users: number
  readonly sockets: number
  readonly timeoutMs: number
  readonly rampMs: number
  readonly durationMs: number
  readonly loginRate: number
  readonly loginConcurrency: number
  readonly emailPattern: string
  readonly password: string
  /** This thread takes every `threads`-th arrival of the open model, beginning with number `thread`. */
  readonly thread: number
  readonly threads: number
  /** Start of the run, ms since the epoch: the zero of every time in the report, the same for all threads. */
  readonly startedAtMs: number
}

export interface EngineTick {
  readonly interval: IntervalDump
  readonly usersIn: number
  readonly inFlight: number
  readonly waitingForSocket: number
  readonly loopLagMs: number
}

export interface EngineDump {
  readonly records: RecorderDump
  readonly loop: LoopFigures
  /** Requests under way when the run was interrupted: neither successes nor failures. */
  readonly abandoned: number
}

/** A share of the run, in this thread or another. The phases are called in this order, each once. */
export interface EngineHandle {
  /** Logs every user in; resolves to how many are. */
  login(): Promise<number>
  /** Ramp and steady phase, from `startMs` (since the start of the run) until the last reply or its deadline. */
  loop(startMs: number): Promise<void>
  logout(): Promise<void>
  /** Ends the phase that runs; what is under way gets two seconds. */
  stop(): void
  /** Closes everything and gives the figures. */
  finish(): Promise<EngineDump>
}
