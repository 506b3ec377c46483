import { SqliteAccountStore } from '../../dist/store/sqlite.js'

const [dir, writer, count] = process.argv.slice(2)
const store = new SqliteAccountStore(dir)
for (let i = 0; i < Number(count); i++) {
  store.create({ id: `${writer}-${i}`, email: `${writer}-${i}@x.test`, passwordHash: 'h', createdAt: i })
}
store.close()
