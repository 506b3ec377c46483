import { leakCheckEachTest, startCluster } from '@cenote/test-support'
import { createPool } from 'cenote'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'

leakCheckEachTest({ beforeEach, afterEach })

describe('a pool over a cluster', () => {
  it('sends each command to the server that has its slot', async () => {
    await using cluster = await startCluster()
    await using pool = createPool({ cluster: cluster.seeds.slice(0, 1) })
    const keys = Array.from({ length: 300 }, (_, i) => `key:${i}`)
    await Promise.all(keys.map((key, i) => pool.set(key, i)))
    expect(await Promise.all(keys.map((key) => pool.get(key)))).toEqual(keys.map((_, i) => String(i)))
    const results = await pool.pipeline(keys.map((key) => ['incr', key])).exec()
    expect(results!.map(([error, value]) => error ?? value)).toEqual(keys.map((_, i) => i + 1))
    expect(await pool.multi().set('{t}a', 1).incr('{t}a').exec()).toEqual([
      [null, 'OK'],
      [null, 2],
    ])
    await expect(pool.multi().set('a', 1).set('b', 2).exec()).rejects.toMatchObject({
      code: 'CENOTE_CROSS_SLOT',
      outcome: 'not-sent',
    })
    const popped = pool.blpop('queue', 0)
    await pool.rpush('queue', 'x')
    expect(await popped).toEqual(['queue', 'x'])
  })
})
