import { once } from 'node:events'
import { expect, it } from 'vitest'
import { nextTurn, onBoth, ready, useServer } from './support.js'

const server = useServer()

const EVENTS = ['wait', 'connecting', 'connect', 'ready', 'close', 'reconnecting', 'end', 'select']
function record(client: { on(event: string, listener: () => void): unknown }): string[] {
  const events: string[] = []
  for (const event of EVENTS) client.on(event, () => events.push(event))
  return events
}

/** Events may have passed by the time the server has confirmed the kill: whoever waits for one comes first. */
async function killAnd(event: Promise<unknown>): Promise<void> {
  await Promise.all([event, server().command('CLIENT', 'KILL', 'TYPE', 'normal')])
}

onBoth('life', server, (make) => {
  it('passes connecting, connect, ready, close, end; the status is there before the event', async () => {
    const client = make()
    const events = record(client)
    const statuses: string[] = []
    for (const event of EVENTS) client.on(event, () => statuses.push(`${event}:${client.status}`))
    expect(client.status).toBe('connecting')
    await once(client, 'ready')
    expect(await client.quit()).toBe('OK')
    expect(client.status).toBe('ready')
    await once(client, 'end')
    expect(events).toEqual(['connecting', 'connect', 'ready', 'close', 'end'])
    expect(statuses.slice(-2)).toEqual(['close:end', 'end:end'])
    await expect(client.get('k')).rejects.toThrow('Connection is closed.')
    await expect(client.quit()).rejects.toThrow('Connection is closed.')
  })

  it('refuses commands after quit() in the same tick, and answers those before it', async () => {
    const client = make()
    await ready(client)
    const before = client.set('k', 1)
    const quit = client.quit()
    const after = client.get('k')
    await expect(after).rejects.toThrow()
    expect(await Promise.all([before, quit])).toEqual(['OK', 'OK'])
  })

  it('connects again after its end', async () => {
    const client = make()
    await ready(client)
    expect(client.disconnect()).toBeUndefined()
    await once(client, 'end')
    expect(await client.connect()).toBeUndefined()
    expect(client.status).toBe('ready')
    expect(await client.set('k', 1)).toBe('OK')
    await expect(client.connect()).rejects.toThrow('Redis is already connecting/connected')
  })

  it('with lazyConnect waits, connects on the first command, pipeline or transaction', async () => {
    for (const first of ['command', 'pipeline', 'multi'] as const) {
      const client = make({ lazyConnect: true })
      expect(client.status).toBe('wait')
      await nextTurn()
      expect(client.status).toBe('wait')
      const result =
        first === 'command'
          ? client.set('k', 1)
          : (first === 'pipeline' ? client.pipeline() : client.multi()).set('k', 1).exec()
      expect(client.status).toBe('connecting')
      expect(await result).toEqual(first === 'command' ? 'OK' : [[null, 'OK']])
      client.disconnect()
    }
    const unused = make({ lazyConnect: true })
    expect(await unused.quit()).toBe('OK')
    await nextTurn()
    expect(unused.status).toBe('end')
  })

  it('reconnects after a loss and after disconnect(true), and goes on', async () => {
    const client = make()
    await ready(client)
    const events = record(client)
    await killAnd(once(client, 'ready'))
    expect(await client.set('k', 1)).toBe('OK')
    const again = once(client, 'ready')
    client.disconnect(true)
    await again
    expect(await client.get('k')).toBe('1')
    const once1 = ['close', 'reconnecting', 'connecting', 'connect', 'ready']
    expect(events).toEqual([...once1, ...once1])
  })

  it('with retryStrategy null ends instead of reconnecting', async () => {
    const client = make({ retryStrategy: () => null })
    await ready(client)
    await killAnd(once(client, 'end'))
    await expect(client.get('k')).rejects.toThrow('Connection is closed.')
  })

  it('calls back from connect, quit and commands; the status may be written', async () => {
    const client = make({ lazyConnect: true })
    const heard: unknown[] = []
    await new Promise<void>((resolve) => void client.connect((...args) => resolve(void heard.push(args))))
    await new Promise<void>((resolve) => client.set('k', 1, (error, reply) => resolve(void heard.push([error, reply]))))
    ;(client as { status: string }).status = 'end'
    expect(client.status).toBe('end')
    ;(client as { status: string }).status = 'ready'
    await new Promise<void>((resolve) => void client.quit((error, reply) => resolve(void heard.push([error, reply]))))
    expect(heard.slice(1)).toEqual([
      [null, 'OK'],
      [null, 'OK'],
    ])
  })

  it('selects for all later commands, tells so, and keeps it after a reconnect', async () => {
    const client = make()
    await ready(client)
    const events = record(client)
    expect(await client.select(3)).toBe('OK')
    await client.set('in3', 1)
    expect(client.options.db).toBe(0)
    await killAnd(once(client, 'ready'))
    expect(await client.get('in3')).toBe('1')
    expect(await client.blpop('none', 0.01)).toBeNull()
    expect(events[0]).toBe('select')
    await expect(client.select(999)).rejects.toThrow('ERR DB index is out of range')
    expect(await client.get('in3')).toBe('1')
  })
})
