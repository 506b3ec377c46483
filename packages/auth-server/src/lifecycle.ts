/** Whether this process is on its way out; shared by the hooks, `/ready` and the drain. */
export interface Lifecycle {
  draining: boolean
}
