import { readFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { importsOf, sourcesIn } from './sources.js'

const base = ['errors.ts', 'timers.ts']
const side = ['metadata', 'wire', 'resilience', 'observe', 'config']

/** Which layers each layer may import from, besides itself. The top level is `index.ts` and the subpath entries. */
const allowed: Readonly<Record<string, readonly string[]>> = {
  'errors.ts': [],
  'timers.ts': [],
  metadata: base,
  wire: base,
  resilience: base,
  observe: base,
  config: base,
  connection: [...base, ...side],
  node: [...base, ...side, 'connection'],
  topology: [...base, ...side, 'connection', 'node'],
  pool: [...base, ...side, 'connection', 'node', 'topology'],
  commands: [...base, ...side, 'connection', 'node', 'topology', 'pool'],
  'top level': [...base, ...side, 'connection', 'node', 'topology', 'pool', 'commands'],
}

/** The shape of a snapshot binds nobody to an implementation. */
const typesForAll = 'observe/report.ts'

function layerOf(path: string): string {
  if (base.includes(path)) return path
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

/**
 * Files that come back to themselves by their imports, types included, as `a.ts → b.ts → a.ts`. In such a circle no file
 * can be understood, or changed, without the others.
 */
export function importCircles(folder: string): string[] {
  const graph = new Map<string, string[]>()
  for (const path of sourcesIn(folder)) {
    const targets = importsOf(join(folder, path))
      .filter(({ specifier }) => specifier.startsWith('.'))
      .map(({ specifier }) => relative(folder, join(folder, dirname(path), specifier)).replace(/\.js$/, '.ts'))
    graph.set(path, targets)
  }
  const circles: string[] = []
  const done = new Set<string>()
  const visit = (path: string, way: readonly string[]): void => {
    const at = way.indexOf(path)
    if (at >= 0) circles.push([...way.slice(at), path].join(' → '))
    else if (!done.has(path)) {
      for (const target of graph.get(path) ?? []) visit(target, [...way, path])
      done.add(path)
    }
  }
  for (const path of graph.keys()) visit(path, [])
  return circles
}

/** Files that export more than one class, as `path: A, B`. A class is an idea; what it needs to itself stays inside. */
export function crowdedFiles(folder: string): string[] {
  return sourcesIn(folder).flatMap((path) => {
    const text = readFileSync(join(folder, path), 'utf8')
    const names = [...text.matchAll(/^export (?:abstract )?class (\w+)/gm)].map((match) => match[1] as string)
    return names.length > 1 ? [`${path}: ${names.join(', ')}`] : []
  })
}
