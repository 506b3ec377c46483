import { Decoder, type DecoderOptions } from '../../src/wire/decode.js'

export interface Decoded {
  readonly replies: unknown[]
  readonly pushes: unknown[][]
}

/** Decodes chunks as they come and collects what the sink is told. */
export function decodeChunks(chunks: readonly Buffer[], options?: DecoderOptions, binary = false): Decoded {
  const replies: unknown[] = []
  const pushes: unknown[][] = []
  const decoder = new Decoder(
    { onReply: (value) => replies.push(value), onPush: (items) => pushes.push(items) },
    options,
  )
  decoder.binary = binary
  // The reader's buffer is reused between chunks; a decoder that keeps a view of it must be caught.
  for (const chunk of chunks) {
    const reused = Buffer.from(chunk)
    decoder.write(reused)
    reused.fill(0x21)
  }
  return { replies, pushes }
}

export const decodeText = (text: string, options?: DecoderOptions, binary = false): Decoded =>
  decodeChunks([Buffer.from(text)], options, binary)
