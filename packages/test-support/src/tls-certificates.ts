import { createHash, generateKeyPairSync, type KeyObject, randomBytes, sign } from 'node:crypto'

/** PEM texts. `ca` signs `cert` (server) and `clientCert`. */
export interface TlsCertificates {
  readonly ca: string
  readonly cert: string
  readonly key: string
  readonly clientCert: string
  readonly clientKey: string
}

// DER by hand: node:crypto signs but does not issue certificates, and an openssl binary is not on every machine.
const der = (tag: number, ...content: Buffer[]): Buffer => {
  const body = Buffer.concat(content)
  if (body.length < 0x80) return Buffer.concat([Buffer.from([tag, body.length]), body])
  const length = Buffer.from(body.length.toString(16).padStart(body.length > 0xff ? 4 : 2, '0'), 'hex')
  return Buffer.concat([Buffer.from([tag, 0x80 | length.length]), length, body])
}
const sequence = (...items: Buffer[]) => der(0x30, ...items)
const oid = (...hex: string[]) => der(0x06, Buffer.from(hex.join(''), 'hex'))
const integer = (bytes: Buffer) => der(0x02, bytes)
const bitString = (bytes: Buffer) => der(0x03, Buffer.from([0]), bytes)
const octets = (bytes: Buffer) => der(0x04, bytes)
const yes = der(0x01, Buffer.from([0xff]))
const time = (date: Date) => der(0x18, Buffer.from(`${date.toISOString().replace(/\D/g, '').slice(0, 14)}Z`))

const ecdsaWithSha256 = sequence(oid('2a8648ce3d040302'))
const name = (common: string) => sequence(der(0x31, sequence(oid('550403'), der(0x0c, Buffer.from(common)))))
const extension = (id: string, value: Buffer, critical = false) =>
  sequence(oid(id), ...(critical ? [yes] : []), octets(value))

const keyId = (key: KeyObject) =>
  createHash('sha1')
    .update(key.export({ type: 'spki', format: 'der' }))
    .digest()

const pem = (label: string, bytes: Buffer) =>
  `-----BEGIN ${label}-----\n${bytes.toString('base64').replace(/(.{64})(?!$)/g, '$1\n')}\n-----END ${label}-----\n`

interface Party {
  readonly common: string
  readonly publicKey: KeyObject
  readonly privateKey: KeyObject
}

function issue(subject: Party, issuer: Party, extensions: readonly Buffer[]): string {
  const serial = randomBytes(8)
  serial[0] = ((serial[0] as number) & 0x7f) | 0x40
  const hour = 3_600_000
  const now = Date.now()
  const body = sequence(
    der(0xa0, integer(Buffer.from([2]))),
    integer(serial),
    ecdsaWithSha256,
    name(issuer.common),
    // Valid from yesterday: clocks of containers and their hosts differ.
    sequence(time(new Date(now - 24 * hour)), time(new Date(now + 365 * 24 * hour))),
    name(subject.common),
    subject.publicKey.export({ type: 'spki', format: 'der' }),
    der(
      0xa3,
      sequence(
        extension('551d0e', octets(keyId(subject.publicKey))),
        extension('551d23', sequence(der(0x80, keyId(issuer.publicKey)))),
        ...extensions,
      ),
    ),
  )
  return pem('CERTIFICATE', sequence(body, ecdsaWithSha256, bitString(sign('sha256', body, issuer.privateKey))))
}

function party(common: string): Party {
  return { common, ...generateKeyPairSync('ec', { namedCurve: 'P-256' }) }
}

/** The bytes of an IP address, as certificates hold it. */
function addressBytes(address: string): Buffer {
  if (address.includes('.')) return Buffer.from(address.split('.').map(Number))
  if (address === '::1') return Buffer.from(`${'00'.repeat(15)}01`, 'hex')
  throw new RangeError(`Only IPv4 addresses and ::1 can be certified here, not ${address}`)
}

export interface TlsAuthority {
  readonly ca: string
  /** A server certificate for these names and addresses, with a client certificate beside it. */
  issue(names: readonly string[], addresses: readonly string[]): TlsCertificates
}

/** A fresh certificate authority. For tests only: its key exists nowhere else. */
export function tlsAuthority(): TlsAuthority {
  const ca = party('cenote test authority')
  const isAuthority = extension('551d13', sequence(yes), true)
  const isLeaf = extension('551d13', sequence(), true)
  const signsCertificates = extension('551d0f', der(0x03, Buffer.from([0x01, 0x06])), true)
  const keyText = (one: Party) => one.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
  const authority = issue(ca, ca, [isAuthority, signsCertificates])
  return {
    ca: authority,
    issue(names, addresses) {
      const server = party(names[0] ?? addresses[0] ?? 'nobody')
      const client = party('cenote test client')
      const entries = [
        ...names.map((one) => der(0x82, Buffer.from(one))),
        ...addresses.map((one) => der(0x87, addressBytes(one))),
      ]
      return {
        ca: authority,
        cert: issue(server, ca, [isLeaf, extension('551d11', sequence(...entries))]),
        key: keyText(server),
        clientCert: issue(client, ca, [isLeaf]),
        clientKey: keyText(client),
      }
    },
  }
}

/**
 * A fresh certificate authority, a server certificate for `localhost`, `127.0.0.1` and `::1`, and a client
 * certificate. For tests only: the keys exist nowhere else.
 */
export function tlsCertificates(): TlsCertificates {
  return tlsAuthority().issue(['localhost'], ['127.0.0.1', '::1'])
}
