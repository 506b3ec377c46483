import { createPool } from 'cenote'

/** One process of a fleet: calls once a millisecond or so, and says when it is served after being asked to look out for it. */
const port = Number(process.argv[2])
const pool = createPool({ host: '127.0.0.1', port, environment: 'production' })
let running = true
let awaited = false
process.on('message', (message) => {
  if (message === 'stop') running = false
  else awaited = true
})
process.send?.({ ready: true })
while (running) {
  const served = await pool.incr('n').then(
    () => true,
    () => false,
  )
  if (served && awaited) {
    awaited = false
    process.send?.({ servedAt: Date.now() })
  }
  await new Promise((resolve) => setTimeout(resolve, 5))
}
await pool.close()
process.disconnect()
