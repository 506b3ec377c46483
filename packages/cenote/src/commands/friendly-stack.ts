/** A function that users call, by which the stack is cut: everything above it is this package's own. */
// biome-ignore lint/complexity/noBannedTypes: only its identity matters
export type EntryPoint = Function

/** More frames than usual are taken, because those of this package are dropped. */
const OWN_FRAMES = 20

/**
 * The folder of this package as it appears in stacks; undefined when a bundler has put it into one file with the
 * application, where a file tells nothing about whose a frame is. `import.meta` would tell in modules alone.
 */
const ownFolder = folderOf(new Error('here').stack)

export function folderOf(stack: string | undefined): string | undefined {
  return /(?:\(|at )((?:file:\/\/|\/|[A-Za-z]:)[^\n]*[\\/])commands[\\/]friendly-stack\.[cm]?[jt]s\b/.exec(
    stack ?? '',
  )?.[1]
}

/**
 * The stack of the call in place of the one of this package, below the first line.
 * @param entryPoints the functions one of which the user has called; with none of them on the stack, frames are told
 * apart by their file
 */
export function friendlyStack<T>(promise: Promise<T>, entryPoints: readonly EntryPoint[] = []): Promise<T> {
  const callers = callersOf(entryPoints)
  return promise.catch((error: unknown) => {
    if (error instanceof Error) error.stack = [`${error.name}: ${error.message}`, ...callers].join('\n')
    throw error
  })
}

function callersOf(entryPoints: readonly EntryPoint[]): string[] {
  const limit = Error.stackTraceLimit
  Error.stackTraceLimit = limit + OWN_FRAMES
  try {
    for (const entryPoint of entryPoints) {
      const frames = framesBelow(entryPoint)
      if (frames.length > 0) return frames.slice(0, limit)
    }
    const frames = framesBelow(friendlyStack)
    return frames.filter((line) => ownFolder === undefined || !line.includes(ownFolder)).slice(0, limit)
  } finally {
    Error.stackTraceLimit = limit
  }
}

/** Empty when the function is not on the stack. */
function framesBelow(entryPoint: EntryPoint): string[] {
  const holder: { stack?: unknown } = {}
  Error.captureStackTrace(holder, entryPoint)
  // Somebody's `Error.prepareStackTrace` may make anything of it.
  return String(holder.stack)
    .split('\n')
    .filter((line) => line.trimStart().startsWith('at '))
}
