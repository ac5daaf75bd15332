// The services by name. Each knows what it lacks, how it is fetched, prepared, started, asked and reached.
import { kafka } from './kafka.mjs'
import { mlflow } from './mlflow.mjs'
import { redis } from './redis.mjs'
import { s3 } from './s3.mjs'
import { temporal } from './temporal.mjs'

export const KINDS = { temporal, kafka, s3, redis, mlflow }
export const NAMES = Object.keys(KINDS)
