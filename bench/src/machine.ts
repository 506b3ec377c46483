import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { availableParallelism, cpus, platform, release } from 'node:os'
import { promisify } from 'node:util'
import { findRedisServer } from '@cenote/test-support'
import type { BenchResult } from './report/results.js'

export async function describeMachine(): Promise<BenchResult['machine']> {
  return {
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    cores: availableParallelism(),
    platform: `${platform()} ${release()}`,
    node: process.versions.node,
    redis: await redisVersion(),
  }
}

async function redisVersion(): Promise<string> {
  const binary = findRedisServer()
  if (binary === undefined) return 'none'
  const { stdout } = await promisify(execFile)(binary, ['--version'])
  return /v=(\S+)/.exec(stdout)?.[1] ?? stdout.trim()
}

/** The peers' exact versions, as this package pins them. */
export function versions(): Readonly<Record<string, string>> {
  const manifest = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as {
    devDependencies: Record<string, string>
  }
  return manifest.devDependencies
}
