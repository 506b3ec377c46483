import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'

export const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))))

/** Paths of all TypeScript sources under `folder`, relative to it, with `/`. */
export function sourcesIn(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.ts'))
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)).replaceAll('\\', '/'))
    .sort()
}

export interface Import {
  readonly specifier: string
  readonly line: number
  /** `import type` or `export type` as a whole; a lone `type` inside the braces still loads the module. */
  readonly typeOnly: boolean
}

const statement = /^\s*(?:import|export)\s+(type\s+)?(?:[\w$*{}\s,]+?\s+from\s*)?['"]([^'"]+)['"]/gm
const dynamic = /\bimport\(\s*['"]([^'"]+)['"]/g

/** Every module that a source names: static and dynamic imports, type imports, re-exports. */
export function importsOf(path: string): Import[] {
  // Comments go, line breaks stay, so that examples in doc comments are not taken for imports.
  const text = readFileSync(path, 'utf8')
    .replace(/\/\*[\s\S]*?\*\//g, (comment) => comment.replace(/[^\n]/g, ' '))
    .replace(/^\s*\/\/.*$/gm, '')
  const line = (index: number) => text.slice(0, index).trimEnd().split('\n').length
  return [
    ...[...text.matchAll(statement)].map((match) => ({
      specifier: match[2] as string,
      line: line(match.index + match[0].length),
      typeOnly: match[1] !== undefined,
    })),
    ...[...text.matchAll(dynamic)].map((match) => ({
      specifier: match[1] as string,
      line: line(match.index + match[0].length),
      typeOnly: false,
    })),
  ]
}
