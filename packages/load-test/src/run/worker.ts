import { parentPort, workerData } from 'node:worker_threads'
import { Engine } from '../engine/engine.js'
import type { EngineSettings } from '../engine/types.js'
import type { EngineMessage, EngineRequest } from './thread-engine.js'

if (parentPort === null) throw new Error('this module is the body of a load thread')
const port = parentPort
const post = (message: EngineMessage) => port.postMessage(message)
const engine = new Engine(workerData as EngineSettings, (tick) => post({ kind: 'tick', tick }))

port.on('message', (request: EngineRequest) => {
  void answer(request)
})

async function answer({ id, method, startMs = 0 }: EngineRequest): Promise<void> {
  try {
    post({ kind: 'result', id, value: method === 'loop' ? await engine.loop(startMs) : await engine[method]() })
  } catch (error) {
    post({ kind: 'error', id, message: error instanceof Error ? error.message : String(error) })
  }
}
