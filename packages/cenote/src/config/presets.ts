export type Environment = 'development' | 'staging' | 'production'

/** What an environment means unless code or a variable says otherwise. */
export interface Preset {
  /** Connections the whole deployment may hold, over all its workers. */
  readonly budget: number
  /** Processes that share the budget. */
  readonly workers: number
}

/** The figures of the design: 20, 60 and 160 connections over 1, 2 and 4 workers. */
export const PRESETS: Readonly<Record<Environment, Preset>> = Object.freeze({
  development: Object.freeze({ budget: 20, workers: 1 }),
  staging: Object.freeze({ budget: 60, workers: 2 }),
  production: Object.freeze({ budget: 160, workers: 4 }),
})
