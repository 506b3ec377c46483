import { createPool } from 'cenote'

/** One process of a fleet: calls once a millisecond or so, and says when it was cut off and when served again. */
const port = Number(process.argv[2])
const pool = createPool({ host: '127.0.0.1', port, environment: 'production' })
let failing = false
let running = true
process.once('message', () => {
  running = false
})
process.send?.({ ready: true })
while (running) {
  try {
    await pool.incr('n')
    if (failing) process.send?.({ servedAt: Date.now() })
    failing = false
  } catch {
    failing = true
  }
  if (pool.status !== 'ready') failing = true
  await new Promise((resolve) => setTimeout(resolve, 5))
}
process.send?.({ dials: pool.stats().dials.attempts })
await pool.close()
process.disconnect()
