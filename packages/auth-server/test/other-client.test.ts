import { leakCheckEachTest, startRedis } from '@cenote/test-support'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { Harness } from './support/harness.js'
import { ioredisClient } from './support/ioredis-client.js'

leakCheckEachTest({ beforeEach, afterEach })

// Comparisons of clients under the same load rest on this.
test('the service runs on whatever implements its narrow Redis interface: here ioredis', async () => {
  await using server = await startRedis({ appendOnly: 'always' })
  await using service = new Harness(server, { CENOTE_AUTH_REDIS_TIMEOUT_MS: '500' }, ioredisClient)
  await service.register('ann@example.test')
  const tokens = await service.login('ann@example.test')
  expect((await service.get('/auth/me', tokens.accessToken)).statusCode).toBe(200)
  expect((await service.get('/auth/sessions', tokens.accessToken)).json().sessions).toHaveLength(1)
  expect((await service.refresh(tokens.refreshToken)).statusCode).toBe(200)

  await server.kill()
  expect((await service.get('/auth/me', tokens.accessToken)).statusCode).toBe(503)
  expect((await service.get('/health/redis')).statusCode).toBe(503)
  await server.restart()
  let status = 503
  while (status === 503) status = (await service.get('/auth/me', tokens.accessToken)).statusCode
  expect(status).toBe(200)

  expect((await service.post('/auth/logout-all', undefined, tokens.accessToken)).json()).toEqual({ ended: 1 })
})
