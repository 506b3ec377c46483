import { BINARY } from '../connection/command.js'
import { CallView } from './call-view.js'
import { type Dispatcher, defineMethod, scriptMethod } from './commander.js'
import { Lease } from './lease.js'
import { Pipeline } from './pipeline.js'
import { Script, type ScriptOptions } from './script.js'

/** The classes of what a pool hands out: derived for this pool alone once it has scripts, which are their methods. */
export class ScriptedClasses {
  Pipeline = Pipeline
  Lease = Lease
  View = CallView

  /** @throws ConfigError when the definition is incomplete */
  define(client: Dispatcher, name: string, options: ScriptOptions): void {
    const script = new Script(name, options)
    if (this.Pipeline === Pipeline) {
      this.Pipeline = class extends Pipeline {}
      this.Lease = class extends Lease {}
      this.View = class extends CallView {}
    }
    for (const target of [client, this.Pipeline.prototype, this.Lease.prototype, this.View.prototype]) {
      defineMethod(target, name, scriptMethod(script, 0))
      defineMethod(target, `${name}Buffer`, scriptMethod(script, BINARY))
    }
  }
}
