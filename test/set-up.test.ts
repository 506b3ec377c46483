import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
// @ts-expect-error plain JavaScript: it runs before there is a compiler
import { missingPackage } from '../scripts/lib/set-up.mjs'
import { root } from './support/sources.js'

describe('the check for installed dependencies', () => {
  const wanted = {
    '': { name: 'root' },
    'node_modules/a': { version: '1.0.0' },
    'node_modules/b': { resolved: 'packages/b', link: true },
    'node_modules/for-another-platform': { version: '1.0.0', optional: true },
  }

  test('is content with what the lockfile asks for, other platforms’ packages aside', () => {
    const installed = { 'node_modules/a': { version: '1.0.0' }, 'node_modules/b': { resolved: 'packages/b' } }
    expect(missingPackage(wanted, installed)).toBeUndefined()
  })

  test('notices a missing installation, a missing package, another version and another link', () => {
    expect(missingPackage(wanted, undefined)).toBe('everything')
    expect(missingPackage(wanted, { 'node_modules/b': { resolved: 'packages/b' } })).toBe('node_modules/a')
    expect(missingPackage(wanted, { 'node_modules/a': { version: '1.0.1' } })).toBe('node_modules/a')
    const elsewhere = { 'node_modules/a': { version: '1.0.0' }, 'node_modules/b': { resolved: 'packages/c' } }
    expect(missingPackage(wanted, elsewhere)).toBe('node_modules/b')
  })
})

interface LockEntry {
  readonly resolved?: string
  readonly link?: boolean
  readonly dependencies?: Readonly<Record<string, string>>
  readonly devDependencies?: Readonly<Record<string, string>>
  readonly optionalDependencies?: Readonly<Record<string, string>>
}

describe('the lockfile', () => {
  const packages: Readonly<Record<string, LockEntry>> = JSON.parse(
    readFileSync(join(root, 'package-lock.json'), 'utf8'),
  ).packages

  /** Where Node would look for `name` from a package at `path`, nearest first. */
  function* places(path: string, name: string): Generator<string> {
    for (let at = path; at !== ''; at = at.replace(/(^|\/)[^/]*$/, '')) yield `${at}/node_modules/${name}`
    yield `node_modules/${name}`
  }

  // A registry that serves only some platforms' binaries leaves the others out, and npm ci refuses such a lockfile.
  test('holds every package that another one asks for, those for other platforms included', () => {
    const missing = Object.entries(packages).flatMap(([path, entry]) =>
      Object.keys({ ...entry.dependencies, ...entry.devDependencies, ...entry.optionalDependencies })
        .filter((name) => ![...places(path, name)].some((place) => packages[place] !== undefined))
        .map((name) => `${path || 'root'} asks for ${name}`),
    )
    expect(missing).toEqual([])
  })

  test('names no registry', () => {
    const remote = Object.entries(packages).filter(([, entry]) => entry.resolved !== undefined && !entry.link)
    expect(remote).toEqual([])
  })
})

test('without any Redis server, npm test says how to get one, fails, and still ends with its count', async () => {
  const child = spawn(process.execPath, [join(root, 'scripts/test.mjs')], {
    env: { ...process.env, REDIS_SERVER_BIN: 'none', CENOTE_SET_UP: 'done' },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const output: Record<'stdout' | 'stderr', string> = { stdout: '', stderr: '' }
  child.stdout.on('data', (bytes) => {
    output.stdout += bytes
  })
  child.stderr.on('data', (bytes) => {
    output.stderr += bytes
  })
  const status = await new Promise((resolve) => child.once('close', resolve))
  expect(status).toBe(1)
  expect(output.stderr).toMatch(
    /No Redis server was found[\s\S]*apt-get install[\s\S]*brew install[\s\S]*REDIS_SERVER_BIN/,
  )
  expect(output.stdout.trimEnd().split('\n').at(-1)).toBe('0 passed, 1 failed')
})
