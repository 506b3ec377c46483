import { execFileSync } from 'node:child_process'
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

let serial = 0

function run(file: string, ...args: string[]): string {
  return execFileSync(file, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] })
}

/**
 * A network namespace of our own with one cable to it. A server started by {@link binary} lives inside; firewall rules
 * inside drop packets without a word, as a dead host or a forgetful NAT does. Nothing outside the two ends is touched.
 */
export class Network {
  readonly host: string
  private readonly name: string
  private readonly folder: string
  private cable: string | undefined

  /** Why namespaces cannot be used here; undefined when they can. */
  static unavailable(): string | undefined {
    if (process.platform !== 'linux') return 'network namespaces need Linux'
    if (process.getuid?.() !== 0) return 'network namespaces need root'
    const name = `cenote-probe-${process.pid}`
    try {
      run('ip', 'netns', 'add', name)
      try {
        run('ip', 'netns', 'exec', name, 'iptables', '-A', 'INPUT', '-j', 'DROP')
        return undefined
      } finally {
        run('ip', 'netns', 'del', name)
      }
    } catch (error) {
      return `ip and iptables do not work here (${String((error as Error).message).split('\n')[0]})`
    }
  }

  private constructor() {
    this.name = `cenote-${process.pid}-${++serial}`
    this.folder = mkdtempSync(join(tmpdir(), 'cenote-net-'))
    run('ip', 'netns', 'add', this.name)
    process.once('exit', this.onExit)
    try {
      // From the range set aside for tests between two networks (RFC 2544); other runs may be using part of it.
      const third = this.layCable()
      this.host = `198.18.${third}.2`
      run('ip', 'addr', 'add', `198.18.${third}.1/28`, 'dev', `cenote${third}a`)
      run('ip', 'link', 'set', `cenote${third}a`, 'up')
      this.inside('ip', 'addr', 'add', `${this.host}/28`, 'dev', `cenote${third}b`)
      this.inside('ip', 'link', 'set', `cenote${third}b`, 'up')
      this.inside('ip', 'link', 'set', 'lo', 'up')
    } catch (error) {
      this.close()
      throw error
    }
  }

  /** The name of the cable reserves its addresses: the kernel lets nobody lay a second one of that name. */
  private layCable(): number {
    const first = Math.floor(Math.random() * 250)
    for (let i = 0; ; i++) {
      const third = (first + i) % 250
      const cable = `cenote${third}`
      try {
        run('ip', 'link', 'add', `${cable}a`, 'type', 'veth', 'peer', 'name', `${cable}b`, 'netns', this.name)
        this.cable = `${cable}a`
        return third
      } catch (error) {
        if (i === 249) throw error
      }
    }
  }

  static open(): Network {
    return new Network()
  }

  /** A program that starts the given server inside. */
  binary(server: string): string {
    const path = join(this.folder, 'redis-server')
    writeFileSync(path, `#!/bin/sh\nexec ip netns exec ${this.name} '${server}' "$@"\n`)
    chmodSync(path, 0o755)
    return path
  }

  /** Drops packets to or from the server, of every connection or of those from the given ports. */
  drop(direction: 'to-server' | 'from-server' | 'both', port: number, peers: readonly number[] = []): void {
    const each = peers.length === 0 ? [[]] : peers.map((peer) => [peer])
    for (const [peer] of each) {
      if (direction !== 'from-server') {
        const from = peer === undefined ? [] : ['--sport', String(peer)]
        this.inside('iptables', '-A', 'INPUT', '-p', 'tcp', '--dport', String(port), ...from, '-j', 'DROP')
      }
      if (direction !== 'to-server') {
        const to = peer === undefined ? [] : ['--dport', String(peer)]
        this.inside('iptables', '-A', 'OUTPUT', '-p', 'tcp', '--sport', String(port), ...to, '-j', 'DROP')
      }
    }
  }

  /** Loses this share of packets, both ways. */
  lose(share: number): void {
    for (const chain of ['INPUT', 'OUTPUT']) {
      const match = ['-m', 'statistic', '--mode', 'random', '--probability', String(share)]
      this.inside('iptables', '-A', chain, '-p', 'tcp', ...match, '-j', 'DROP')
    }
  }

  /** Further addresses of the inside. */
  moreAddresses(count: number): string[] {
    const net = this.host.slice(0, this.host.lastIndexOf('.'))
    return Array.from({ length: count }, (_, i) => {
      const address = `${net}.${3 + i}`
      this.inside('ip', 'addr', 'replace', `${address}/28`, 'dev', `${this.cable!.slice(0, -1)}b`)
      return address
    })
  }

  /** Drops every packet to this address. */
  dropTo(address: string): void {
    this.inside('iptables', '-A', 'INPUT', '-d', address, '-j', 'DROP')
  }

  heal(): void {
    this.inside('iptables', '-F')
  }

  private readonly onExit = (): void => this.close()

  close(): void {
    process.off('exit', this.onExit)
    try {
      // A namespace lives on until its last connection has given up, and the cable with it.
      if (this.cable !== undefined) run('ip', 'link', 'del', this.cable)
      run('ip', 'netns', 'del', this.name)
    } finally {
      rmSync(this.folder, { recursive: true, force: true })
    }
  }

  private inside(file: string, ...args: string[]): void {
    run('ip', 'netns', 'exec', this.name, file, ...args)
  }
}
