import { dirname, join, relative } from 'node:path'
import { importsOf, sourcesIn } from './sources.js'

const side = ['metadata', 'wire', 'resilience', 'observe', 'config']

/** Which layers each layer may import from, besides itself. The top level is `index.ts` and the subpath entries. */
const allowed: Readonly<Record<string, readonly string[]>> = {
  'errors.ts': [],
  metadata: ['errors.ts'],
  wire: ['errors.ts'],
  resilience: ['errors.ts'],
  observe: ['errors.ts'],
  config: ['errors.ts'],
  connection: ['errors.ts', ...side],
  topology: ['errors.ts', ...side, 'connection'],
  pool: ['errors.ts', ...side, 'connection', 'topology'],
  commands: ['errors.ts', ...side, 'connection', 'topology', 'pool'],
  'top level': ['errors.ts', ...side, 'connection', 'topology', 'pool', 'commands'],
}

/** The shape of a snapshot binds nobody to an implementation. */
const typesForAll = 'observe/report.ts'

function layerOf(path: string): string {
  if (path === 'errors.ts') return path
  return path.includes('/') ? (path.split('/')[0] as string) : 'top level'
}

/** Every import in the source tree of the pool that goes up or sideways, as `file:line: sentence`. */
export function layerViolations(folder: string): string[] {
  const violations: string[] = []
  for (const path of sourcesIn(folder)) {
    const from = layerOf(path)
    if (allowed[from] === undefined) {
      violations.push(`${path}: the folder ${from} is no layer; give it a place in test/support/layers.ts`)
      continue
    }
    for (const { specifier, line, typeOnly } of importsOf(join(folder, path))) {
      if (!specifier.startsWith('.')) continue
      const target = relative(folder, join(folder, dirname(path), specifier)).replace(/\.js$/, '.ts')
      if (typeOnly && target === typesForAll) continue
      const to = target.startsWith('..') ? 'outside the package' : layerOf(target)
      if (to !== from && !allowed[from]?.includes(to)) {
        violations.push(`${path}:${line}: ${from} may not import ${to} (${target})`)
      }
    }
  }
  return violations
}
