/** What virtual users do; every figure is kept per operation. */
export const OPERATIONS = ['login', 'me', 'refresh', 'list', 'logout'] as const
export type Operation = (typeof OPERATIONS)[number]

/** The operations of the steady loop, chosen by weight. */
export const LOOP_OPERATIONS = ['me', 'refresh', 'list'] as const
export type LoopOperation = (typeof LOOP_OPERATIONS)[number]

/** A request belongs to the phase its intended start falls into, whenever its reply comes. */
export const PHASES = ['login', 'ramp', 'steady', 'logout'] as const
export type Phase = (typeof PHASES)[number]

export type Weights = Readonly<Record<LoopOperation, number>>

/** Cumulative weights, so that choosing costs one random number and two comparisons. */
export class OperationChooser {
  private readonly me: number
  private readonly refresh: number

  constructor(weights: Weights) {
    const total = weights.me + weights.refresh + weights.list
    this.me = weights.me / total
    this.refresh = this.me + weights.refresh / total
  }

  choose(): LoopOperation {
    const x = Math.random()
    if (x < this.me) return 'me'
    return x < this.refresh ? 'refresh' : 'list'
  }
}
