"""Numbers of images: errors, PSNR, SSIM, sharpness, noise, resolution, NIQE; door ``compare``."""
