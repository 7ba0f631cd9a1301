/** Version of the model: part of every digest. Raised when the same scenario may come out differently. */
export const MODEL_VERSION = 3;
