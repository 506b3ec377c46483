import { ConfigError } from '../errors.js'
import {
  addFromNodes,
  addMissing,
  nameMaster,
  namesServer,
  type Settings,
  settingsOf,
  settingsOfUrl,
} from './settings.js'

/**
 * What was said in code. The URL comes first among the arguments and wins key by key, as in ioredis:
 * `new Redis('redis://h/3', { db: 5 })` is database 3. TLS settings refine a rediss:// URL.
 */
export function settingsInCode(url: string | undefined, given: object): Settings {
  const settings = url === undefined ? new Map() : settingsOfUrl(url, 'URL', 'The Redis URL')
  const options = settingsOf(given, 'code')
  if (settings.get('tls')?.value === true && options.get('tls')?.value === false) {
    throw new ConfigError('The URL asks for TLS (rediss://) and tls is false; write redis://, or leave tls out')
  }
  if (namesServer(settings) && options.has('cluster')) {
    throw new ConfigError(
      'The URL names a server and cluster names nodes; give redis+cluster://node,node or cluster, not both',
    )
  }
  addMissing(settings, options)
  addFromNodes(settings)
  nameMaster(settings)
  return settings
}
