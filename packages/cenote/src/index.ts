export type * from './observe/report.js'
