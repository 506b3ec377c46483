import { RawClient } from '@cenote/test-support'
import type { Scenario } from '../scenario.js'

let password = 'first'

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
]
