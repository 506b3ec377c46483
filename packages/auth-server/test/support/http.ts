import { Agent, type IncomingHttpHeaders, request } from 'node:http'

export interface Answer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly body: string
}

/** One keep-alive connection; a request fails unless the whole answer arrives. */
export class Connection {
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 1 })

  constructor(readonly origin: string) {}

  send(method: string, path: string, options: { token?: string; body?: object } = {}): Promise<Answer> {
    const text = options.body === undefined ? undefined : JSON.stringify(options.body)
    return new Promise((resolve, reject) => {
      const headers: Record<string, string | number> = {}
      if (options.token !== undefined) headers.authorization = `Bearer ${options.token}`
      if (text !== undefined) {
        headers['content-type'] = 'application/json'
        headers['content-length'] = Buffer.byteLength(text)
      }
      const sent = request(`${this.origin}${path}`, { method, headers, agent: this.#agent }, (response) => {
        let body = ''
        response.setEncoding('utf8')
        response.on('data', (chunk) => {
          body += chunk
        })
        response.on('end', () => resolve({ status: response.statusCode ?? 0, headers: response.headers, body }))
        response.on('error', reject)
      })
      sent.on('error', reject)
      sent.end(text)
    })
  }

  close(): void {
    this.#agent.destroy()
  }
}
