/**
 * Specs of PostgreSQL's own that come out otherwise through an agent, all sessions at one node, and why.
 *
 * @module
 */

/** Spec's name → the reason. */
export const differences: Readonly<Record<string, string>> = {}
