/**
 * Where things of this checkout are (compiled, this file is dist/testing/regress/places.js).
 *
 * @module
 */
import { fileURLToPath } from 'node:url'

const inCheckout = (path: string): string => fileURLToPath(new URL(`../../../${path}`, import.meta.url))

/** Differences that are documented. */
export const acceptedDir = inCheckout('test/regress/accepted')

/** Says why they are. */
export const docPath = inCheckout('docs/REGRESSION.md')
