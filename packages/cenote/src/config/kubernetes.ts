import { isHost, splitHostPort } from './endpoints.js'

/**
 * What Kubernetes puts into the environment of every pod once a service named `redis` exists, as Docker's links do:
 * `REDIS_PORT=tcp://10.96.0.5:6379`, `REDIS_SERVICE_HOST`, `REDIS_SERVICE_PORT`, `REDIS_PORT_6379_TCP…`. Nobody chose
 * these, so they are used only where nothing else names a server, and whatever they hold is never an error.
 */
export interface InjectedService {
  readonly host: string
  readonly hostFrom: string
  readonly port: number | undefined
  readonly portFrom: string
}

/** A plain number in `REDIS_PORT` is somebody's own setting. */
export const isInjectedPort = (text: string | undefined): boolean => text?.includes('://') === true

export function injectedService(set: ReadonlyMap<string, string>): InjectedService | undefined {
  const fromPort = readPort(set.get('REDIS_PORT'))
  const serviceHost = set.get('REDIS_SERVICE_HOST')
  if (serviceHost !== undefined && isHost(serviceHost)) {
    const servicePort = portNumber(set.get('REDIS_SERVICE_PORT'))
    return {
      host: serviceHost,
      hostFrom: 'REDIS_SERVICE_HOST',
      port: servicePort ?? fromPort?.port,
      portFrom: servicePort === undefined ? 'REDIS_PORT' : 'REDIS_SERVICE_PORT',
    }
  }
  return fromPort === undefined ? undefined : { ...fromPort, hostFrom: 'REDIS_PORT', portFrom: 'REDIS_PORT' }
}

/** Whether a name given by somebody is that of the service: its address, `redis`, or `redis.namespace[.svc…]`. */
export function isService(service: InjectedService, host: string): boolean {
  return host === service.host || /^redis(?:\.[^.]+(?:\.svc(?:\..+)?)?)?$/i.test(host)
}

function readPort(text: string | undefined): { host: string; port: number } | undefined {
  const match = /^tcp:\/\/(.+)$/i.exec(text ?? '')
  const address = match === null ? undefined : splitHostPort(match[1]!)
  const port = portNumber(address?.port)
  return address?.host === undefined || port === undefined ? undefined : { host: address.host, port }
}

function portNumber(text: string | undefined): number | undefined {
  const port = Number(text)
  return text !== undefined && /^\d+$/.test(text) && port >= 1 && port <= 65_535 ? port : undefined
}
