import { RawClient } from '@cenote/test-support'
import type { Scenario, World } from '../scenario.js'
import { kept, slowScript } from './busy.js'

let password = 'first'

/** What managed services give: no command that shows or ends other connections. */
const withoutDangerous = {
  server: { users: ['app on >first ~* &* +@all -@dangerous'] },
  credentials: { username: 'app', password: () => 'first' },
  timeoutMs: 5_000,
  long: true,
  check: kept,
}

export const accessFaults: readonly Scenario[] = [
  {
    name: 'max-clients',
    title: 'connections killed while others fill the server up to maxclients',
    server: { config: { maxclients: 30 } },
    async run(world) {
      const others: RawClient[] = []
      world.injected()
      for (let round = 0; round < 3; round++) {
        while (others.length < 60) {
          const other = await RawClient.open({ host: '127.0.0.1', port: world.server.port })
          // A refused one fails here; then the server is full.
          if (
            await other.send('PING').then(
              () => false,
              () => true,
            )
          ) {
            other.close()
            break
          }
          others.push(other)
        }
        const own = others.length
        await others[0]!.send('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes').catch(() => undefined)
        for (const other of others.splice(1)) other.close()
        for (let i = 0; i < own; i++) {
          const other = await RawClient.open({ host: '127.0.0.1', port: world.server.port }).catch(() => undefined)
          if (other !== undefined) others.push(other)
        }
        await world.pause(300)
      }
      for (const other of others) other.close()
      world.healed()
    },
  },
  {
    name: 'password-changed',
    title: 'password changed on the server, connections killed; the new one is known 400 ms later',
    server: { users: ['app on >first ~* &* +@all'] },
    credentials: { username: 'app', password: () => password },
    async prepare() {
      password = 'first'
    },
    async run(world) {
      world.injected()
      await world.server.command('ACL', 'SETUSER', 'app', 'resetpass', '>second')
      await world.server.command('CLIENT', 'KILL', 'USER', 'app')
      await world.pause(400)
      password = 'second'
      world.healed()
    },
  },
  {
    name: 'acl-denies',
    title: 'the ACL takes RPUSH away for 400 ms',
    server: { users: ['app on >first ~* &* +@all'] },
    credentials: { username: 'app', password: () => 'first' },
    async run(world) {
      world.injected()
      await world.server.command('ACL', 'SETUSER', 'app', '-rpush')
      await world.pause(400)
      await world.server.command('ACL', 'SETUSER', 'app', '+rpush')
      world.healed()
    },
  },
  {
    ...withoutDangerous,
    name: 'no-client-list-pause',
    title: 'CLIENT PAUSE for 3 s (writes), for a user who may not see CLIENT LIST',
    async run(world) {
      world.injected()
      await world.server.command('CLIENT', 'PAUSE', '3000', 'WRITE')
      await world.pause(3_000)
      world.healed()
    },
  },
  {
    ...withoutDangerous,
    name: 'no-client-list-script',
    title:
      'a script of the client holds the server for 3 s (BUSY from 200 ms on), for a user who may not see CLIENT LIST',
    server: { ...withoutDangerous.server, config: { 'busy-reply-threshold': 200 } },
    async run(world) {
      world.injected()
      // On the connection of everybody: the others hear BUSY meanwhile, it hears nothing.
      await world.client.call('EVAL', slowScript(3_000), '0').catch((error) => world.complain(`the script: ${error}`))
      world.healed()
    },
  },
  {
    name: 'one-channel-refused',
    title: 'the ACL takes one channel away while the subscriber is disconnected, and gives it back 1.2 s later',
    server: { users: ['app on >first ~* &* +@all'] },
    credentials: { username: 'app', password: () => 'first' },
    refusedChannels: ['news:1'],
    async run(world) {
      world.injected()
      // Ends the connections of subscribers who may no longer be subscribed.
      await world.server.command('ACL', 'SETUSER', 'app', 'resetchannels', '&news:0', '&news:2')
      world.healed()
      const since = Date.now()
      await world.pause(1_200)
      await othersHeard(world, since)
      await world.server.command('ACL', 'SETUSER', 'app', 'allchannels')
    },
  },
]

async function othersHeard({ subscription, pool, complain }: World, since: number): Promise<void> {
  for (const channel of ['news:0', 'news:2']) {
    if (subscription?.heardSince(channel, since) === false) complain(`${channel} was lost with the refused channel`)
  }
  if (pool === undefined) return
  const { status, reasons } = await pool.health()
  if (!reasons.some((reason) => /news:1|NOPERM|subscri/i.test(reason))) {
    complain(`health() says ${status} (${reasons.join('; ')}) although a channel is refused`)
  }
}
