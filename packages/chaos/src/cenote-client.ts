import { createPool, type PoolOptions, type RedisPool } from 'cenote'
import type { Address, ChaosClient } from './client.js'

export interface CenoteClient extends ChaosClient {
  readonly pool: RedisPool
}

export function cenoteClient(address: Address, more: PoolOptions = {}): CenoteClient {
  const { host, port, username, password, timeoutMs } = address
  const pool = createPool({ host, port, username, password, commandTimeoutMs: timeoutMs, ...more })
  return {
    name: 'cenote',
    pool,
    call: (command, ...args) => pool.call(command, ...args),
    close: () => pool.close({ timeoutMs: 500 }),
  }
}
