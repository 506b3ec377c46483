import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { crowdedFiles, importCircles, layerViolations } from './support/layers.js'
import { importsOf, root, sourcesIn } from './support/sources.js'

describe('the pool’s sources', () => {
  test('import only from the layers below them', () => {
    expect(layerViolations(join(root, 'packages/cenote/src'))).toEqual([])
  })

  test('never come back to themselves by their imports, types included', () => {
    expect(importCircles(join(root, 'packages/cenote/src'))).toEqual([])
  })

  test('hold one idea each: one class that others use, families of like ones aside', () => {
    const families = ['errors.ts', 'commands/batch.ts', 'node/waiters.ts']
    const crowded = crowdedFiles(join(root, 'packages/cenote/src'))
    expect(crowded.filter((file) => !families.some((family) => file.startsWith(`${family}:`)))).toEqual([])
  })

  test('take the clock and timers from one place, which fake ones do not reach', () => {
    const forbidden = /process\.nextTick\(|performance\.now\(|Date\.now\(/
    const borrowed = /(?<![.\w])(setTimeout|setInterval|setImmediate|clearTimeout|queueMicrotask)\((?!\))/g
    const found = sourcesIn(join(root, 'packages/cenote/src')).filter((path) => {
      const text = readFileSync(join(root, 'packages/cenote/src', path), 'utf8')
      const code = text.replace(/\/\*[\s\S]*?\*\/|\/\/.*$/gm, '')
      const imported = /import \{([^}]*)\} from '[./]*timers\.js'/.exec(code)?.[1] ?? ''
      const missing = [...code.matchAll(borrowed)].some(([, name]) => !imported.includes(name as string))
      return path !== 'timers.ts' && (forbidden.test(code) || missing)
    })
    expect(found).toEqual([])
  })
})

describe.each(['cenote', 'auth-server', 'load-test', 'test-support'])('package %s', (name) => {
  const folder = join(root, 'packages', name)
  const manifest = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'))

  test('imports only what it declares', () => {
    const declared = Object.keys({ ...manifest.dependencies, ...manifest.peerDependencies })
    const undeclared = sourcesIn(join(folder, 'src')).flatMap((path) =>
      importsOf(join(folder, 'src', path))
        .map(({ specifier }) => specifier)
        .filter((specifier) => !specifier.startsWith('.') && !specifier.startsWith('node:'))
        .filter((specifier) => !declared.some((one) => specifier === one || specifier.startsWith(`${one}/`)))
        .map((specifier) => `${path}: ${specifier}`),
    )
    expect(undeclared).toEqual([])
  })

  // A sense of size, not a measure to fill: what is longer most likely holds two ideas.
  test('has no source of more than 500 lines', () => {
    const long = sourcesIn(join(folder, 'src'))
      .filter((path) => !path.endsWith('.generated.ts'))
      .map((path) => ({
        path,
        lines: readFileSync(join(folder, 'src', path), 'utf8')
          .trimEnd()
          .split('\n').length,
      }))
      .filter(({ lines }) => lines > 500)
      .map(({ path, lines }) => `${path}: ${lines} lines`)
    expect(long).toEqual([])
  })
})

describe('the check itself', () => {
  let tree = ''
  beforeEach(() => {
    tree = mkdtempSync(join(tmpdir(), 'cenote-layers-'))
  })
  afterEach(() => {
    rmSync(tree, { recursive: true })
  })

  const plant = (files: Record<string, string>) => {
    for (const [path, text] of Object.entries(files)) {
      mkdirSync(dirname(join(tree, path)), { recursive: true })
      writeFileSync(join(tree, path), text)
    }
    return layerViolations(tree)
  }

  test('accepts imports that go down or stay', () => {
    const found = plant({
      'index.ts': "export { createPool } from './commands/client.js'\nexport * from './errors.js'\n",
      'commands/client.ts': "import { Pool } from '../pool/pool.js'\nimport './other.js'\n",
      'pool/pool.ts': "import { Node } from '../node/node.js'\nimport { encode } from '../wire/encode.js'\n",
      'topology/standalone.ts': "import { Node } from '../node/node.js'\nimport { now } from '../timers.js'\n",
      'connection/socket.ts': "import { connect } from 'node:net'\nimport { CenoteError } from '../errors.js'\n",
      'wire/encode.ts': "import type { PoolStats } from '../observe/report.js'\n",
    })
    expect(found).toEqual([])
  })

  test.each([
    ['wire/decode.ts', "import { Pool } from '../pool/pool.js'", 'wire may not import pool'],
    ['wire/decode.ts', "import {\n  a,\n  b,\n} from '../pool/pool.js'", 'wire/decode.ts:4: wire may not import pool'],
    ['connection/a.ts', "import type { Pool } from '../pool/pool.js'", 'connection may not import pool'],
    ['connection/a.ts', "export * from '../topology/x.js'", 'connection may not import topology'],
    ['node/a.ts', "import type { Topology } from '../topology/topology.js'", 'node may not import topology'],
    ['connection/a.ts', "import { Entry } from '../node/entry.js'", 'connection may not import node'],
    ['timers.ts', "import { x } from './errors.js'", 'timers.ts may not import errors.ts'],
    ['topology/a.ts', "const lazy = await import('../commands/x.js')", 'topology may not import commands'],
    ['pool/a.ts', "import '../commands/x.js'", 'pool may not import commands'],
    ['commands/a.ts', "import { createPool } from '../index.js'", 'commands may not import top level'],
    ['wire/a.ts', "import { x } from '../metadata/x.js'", 'wire may not import metadata'],
    ['config/a.ts', "import { x } from '../observe/report.js'", 'config may not import observe'],
    ['errors.ts', "import { x } from './config/x.js'", 'errors.ts may not import config'],
    ['pool/a.ts', "import { x } from '../../test/x.js'", 'pool may not import outside the package'],
    ['helpers/a.ts', '', 'the folder helpers is no layer'],
  ])('catches in %s: %s', (path, text, violation) => {
    const found = plant({ [path]: text })
    expect(found).toHaveLength(1)
    expect(found[0]).toContain(violation)
  })

  test('sees circles, also of types alone', () => {
    plant({
      'wire/a.ts': "import type { B } from './b.js'\n",
      'wire/b.ts': "export type { C } from './c.js'\n",
      'wire/c.ts': "import { a } from './a.js'\n",
      'wire/d.ts': "import { a } from './a.js'\nimport { b } from './b.js'\n",
    })
    expect(importCircles(tree)).toEqual(['wire/a.ts → wire/b.ts → wire/c.ts → wire/a.ts'])
  })

  test('is not misled by examples in comments', () => {
    const text = "/**\n * import { Pool } from '../pool/pool.js'\n */\n// import '../pool/pool.js'\n"
    expect(plant({ 'wire/a.ts': text })).toEqual([])
  })
})
